"""Codecs of low-precision state for generated kernels: blocks that share a scale, one element at a time.

A kernel goes through a tensor in blocks of 128. For each block it reads the block's numbers, decodes, applies the rule,
keeps the new values in scratch, and reduces them to what the next scale is made of; then it encodes the scratch. Bit
for bit the torch reference, `descend.storage.blocks`, which tells what the formats are and why.

Every intrinsic here is a few LLVM instructions that SSE, AVX2 and AVX-512 have for vectors, so loops over them become
vector code. Reductions vectorise only as llvm.smax, umax and umin of bit patterns (of floats: only with fast-math,
which would lose NaN); rounding is the addition of 1.5 * 2**23, after which the integer stands in the lowest byte.

`make_codec` gives the same set of names for every kind, so that one template of source serves all (see CODEC).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..storage import blocks, rounding

_I8, _I16, _I32, _I64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
_FLOAT, _DOUBLE, _HALF = ir.FloatType(), ir.DoubleType(), ir.HalfType()
_BYTES: dict[Any, int] = {_I8: 1, _I16: 2, _HALF: 2, _I32: 4, _FLOAT: 4, _DOUBLE: 8}
_COMPUTED = {"float32": (_FLOAT, types.float32), "float64": (_DOUBLE, types.float64)}
_f32, _i32, _i64, _void = types.float32, types.int32, types.int64, types.void

# What `make_codec` gives, and what a kernel does with it. `words` is the address of the block numbers, b the number of
# the block, `codes` the address of the block's first code, i < 128 the element in the block.
CODEC = {
    "first": "first(words, b): the first number that decoding needs",
    "second": "second(words, b): the second one (0 if there is none)",
    "decode": "decode(codes, i, first, second): the value of an element",
    "top": "top(so_far, x): the largest bit pattern; starts with nothing()",
    "low": "low(so_far, x): the smallest one of positive values; starts with everything()",
    "special": "special(top): must the block's values be replaced in scratch by replace(x, top) before encoding?",
    "replace": "replace(x, top)",
    "close": "close(words, b, top, low): write the block's numbers",
    "factor": "factor(top, low): the first number that encoding needs",
    "offset": "offset(top, low): the second one",
    "encode": "encode(codes, i, x, factor, offset, key): write the code of a value; key: dither_key of the block",
}

# Where an access touches memory: its own name, and the names of all that does not overlap it. Every access in a loop
# needs one: LLVM compares the addresses of all that may overlap, even indirectly, with what has none.
Apart = tuple[str, tuple[str, ...]]


def _make(result: Any, arguments: list[Any], emit: Callable[..., Any]) -> Any:
    """An intrinsic of fixed types: emit(builder, *args) gives the value, or None for void."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = emit(builder, *args)
        return context.get_dummy_value() if value is None else value

    typed = result(*arguments), code
    # Numba counts the parameters, and takes no *args.
    by_number: list[Callable[..., Any]] = [
        lambda typing: typed,
        lambda typing, a: typed,
        lambda typing, a, b: typed,
        lambda typing, a, b, c: typed,
        lambda typing, a, b, c, d: typed,
        lambda typing, a, b, c, d, e: typed,
        lambda typing, a, b, c, d, e, f: typed,
    ]
    return intrinsic(by_number[len(arguments)])


def _call(b: Any, name: str, *args: Any) -> Any:
    """An LLVM intrinsic on operands of one type."""
    kind = args[0].type
    full = f"{name}.{'f32' if kind == _FLOAT else 'i32'}"
    function = b.module.globals.get(full)
    if function is None:
        function = ir.Function(b.module, ir.FunctionType(kind, [kind] * len(args)), full)
    return b.call(function, args)


def _f(value: float) -> Any:
    return ir.Constant(_FLOAT, value)


def _bits(b: Any, x: Any) -> Any:
    return b.bitcast(x, _I32)


def _magnitude(b: Any, x: Any) -> Any:
    return b.and_(_bits(b, x), _I32(blocks.MAGNITUDE))


def _mark(b: Any, instruction: Any, apart: Apart | None) -> None:
    """Tell LLVM which memory an access may touch, so that loops need not compare addresses before they run."""
    if apart is None:
        return
    mine, names = apart
    domain = b.module.add_metadata(["descend"])
    scope = {name: b.module.add_metadata([name, domain]) for name in (mine, *names)}
    instruction.set_metadata("alias.scope", b.module.add_metadata([scope.pop(mine)]))
    if scope:
        instruction.set_metadata("noalias", b.module.add_metadata(list(scope.values())))


def _read(b: Any, base: Any, index: Any, kind: Any, apart: Apart | None = None) -> Any:
    place = b.gep(b.inttoptr(base, kind.as_pointer()), [index])
    value = b.load(place, align=_BYTES[kind])
    _mark(b, value, apart)
    return value


def _write(b: Any, base: Any, index: Any, value: Any, apart: Apart | None = None) -> None:
    place = b.gep(b.inttoptr(base, value.type.as_pointer()), [index])
    _mark(b, b.store(value, place, align=_BYTES[value.type]), apart)


def _spread(b: Any) -> Any:
    """A constant table: computing its numbers would take a multiplication of integers, as long as three operations."""
    name = "descend_spread"
    known = b.module.globals.get(name)
    if known is None:
        kind = ir.ArrayType(_I32, blocks.BLOCK)
        known = ir.GlobalVariable(b.module, kind, name)
        known.initializer = kind([rounding.spread(i) for i in range(blocks.BLOCK)])
        known.global_constant, known.linkage, known.align = True, "internal", 64
    return known


def _dither(b: Any, i: Any, key: Any, apart: Apart | None) -> Any:
    """The dither of element i of a block, in (1, 2)."""
    spread = b.load(b.gep(_spread(b), [_I64(0), i]), align=4)
    _mark(b, spread, apart and ("spread", (*apart[1], apart[0])))
    return b.bitcast(b.xor(spread, key), _FLOAT)


def _signed(apart: Apart | None, dithered: bool) -> dict[str, Callable[..., Any]]:
    def decode(b: Any, codes: Any, i: Any, scale: Any, _: Any) -> Any:
        q = b.sitofp(_read(b, codes, i, _I8, apart), _FLOAT)
        square = b.fmul(q, _call(b, "llvm.fabs", q))
        return b.fmul(b.fmul(square, _f(blocks.SQUARE)), scale)

    def replace(b: Any, x: Any, top: Any) -> Any:
        return b.select(_is_finite(b, top), b.fmul(x, _f(blocks.LIFT)), _f(0.0))

    def factor(b: Any, top: Any, low: Any) -> Any:
        scale = b.bitcast(top, _FLOAT)
        tiny = b.fcmp_ordered("<", scale, _f(blocks.TINY))
        divisor = b.select(tiny, b.fmul(scale, _f(blocks.LIFT)), scale)
        usable = b.and_(b.icmp_unsigned("!=", top, _I32(0)), _is_finite(b, top))
        return b.select(usable, b.fdiv(_f(blocks.SIGNED_TOP), divisor), _f(0.0))

    def encode(b: Any, codes: Any, i: Any, x: Any, factor: Any, _: Any, key: Any) -> None:
        y = b.fmul(_call(b, "llvm.fabs", x), factor)
        r = b.bitcast(b.sub(_I32(blocks.ROOT), b.lshr(_bits(b, y), _I32(1))), _FLOAT)
        t = b.fmul(y, r)
        z = b.fmul(t, b.fsub(_f(blocks.CURVE), b.fmul(t, r)))
        if dithered:
            width = b.fsub(_f(1.0), b.fmul(z, _f(blocks.NARROWER)))
            shift = b.fmul(b.fsub(_dither(b, i, key, apart), _f(1.5)), width)
            z = b.fadd(z, b.select(b.fcmp_ordered("<", z, _f(blocks.SMALL)), shift, _f(0.0)))
        rounded = b.fadd(_call(b, "llvm.copysign", z, x), _f(blocks.ROUND))
        _write(b, codes, i, b.trunc(_bits(b, rounded), _I8), apart)

    def special(b: Any, top: Any) -> Any:
        tiny = b.icmp_unsigned("<", b.sub(top, _I32(1)), _I32(_pattern(blocks.TINY) - 1))
        return b.or_(tiny, b.not_(_is_finite(b, top)))

    return {
        "first": lambda b, words, n: _read(b, words, n, _FLOAT),
        "second": lambda b, words, n: _I32(0),
        "decode": decode,
        "top": lambda b, top, x: _call(b, "llvm.smax", top, _magnitude(b, x)),
        "low": lambda b, low, x: low,
        "special": special,
        "replace": replace,
        "close": lambda b, words, n, top, low: _write(b, words, n, _or_nan(b, top, b.bitcast(top, _FLOAT))),
        "factor": factor,
        "offset": lambda b, top, low: _I32(0),
        "encode": encode,
    }


def _log(apart: Apart | None, dithered: bool) -> dict[str, Callable[..., Any]]:
    def step_and_origin(b: Any, top: Any, low: Any) -> tuple[Any, Any]:
        low = b.add(low, _I32(1))  # what was reduced is the pattern less 1, so that zeros do not count
        origin = b.lshr(b.add(low, _I32(128)), _I32(8))
        origin = _call(b, "llvm.smin", _call(b, "llvm.smax", origin, _I32(1)), _I32(blocks.LARGEST >> 8))
        origin = b.select(b.icmp_unsigned("==", top, _I32(0)), _I32(0), origin)
        step = b.udiv(b.add(b.sub(top, low), _I32(blocks.STEPS // 2)), _I32(blocks.STEPS))
        room = b.udiv(b.sub(_I32(blocks.LARGEST), b.shl(origin, _I32(8))), _I32(blocks.STEPS))
        finite = _is_finite(b, top)
        step = b.select(finite, _call(b, "llvm.smin", step, room), _I32(0))
        return step, b.select(finite, origin, _I32(blocks.NAN_ORIGIN))

    def word(b: Any, words: Any, n: Any, k: int) -> Any:
        place = b.add(b.mul(n, _I64(3)), _I64(k))
        return b.zext(_read(b, words, place, _I16), _I32)

    def second(b: Any, words: Any, n: Any) -> Any:
        high = b.shl(b.and_(word(b, words, n, 1), _I32(0xFF)), _I32(16))
        return b.or_(high, word(b, words, n, 2))

    def first(b: Any, words: Any, n: Any) -> Any:
        origin = b.or_(b.shl(word(b, words, n, 0), _I32(8)), b.lshr(word(b, words, n, 1), _I32(8)))
        return b.sub(b.shl(origin, _I32(8)), second(b, words, n))  # where code 0 would be

    def decode(b: Any, codes: Any, i: Any, base: Any, step: Any) -> Any:
        code = _read(b, codes, i, _I8, apart)
        # A product of 0 plus nothing, written so that AVX-512 makes it one masked addition.
        start = b.select(b.icmp_unsigned("==", code, _I8(0)), _I32(0), base)
        return b.bitcast(b.add(b.mul(b.zext(code, _I32), step), start), _FLOAT)

    def close(b: Any, words: Any, n: Any, top: Any, low: Any) -> None:
        step, origin = step_and_origin(b, top, low)
        middle = b.or_(b.shl(b.and_(origin, _I32(0xFF)), _I32(8)), b.lshr(step, _I32(16)))
        for k, value in enumerate((b.lshr(origin, _I32(8)), middle, step)):
            _write(b, words, b.add(b.mul(n, _I64(3)), _I64(k)), b.trunc(value, _I16))

    def factor(b: Any, top: Any, low: Any) -> Any:
        step, _ = step_and_origin(b, top, low)
        span = b.sitofp(b.sub(top, b.add(low, _I32(1))), _FLOAT)
        return b.select(b.icmp_signed(">", step, _I32(0)), b.fdiv(_f(float(blocks.STEPS)), span), _f(0.0))

    def encode(b: Any, codes: Any, i: Any, x: Any, factor: Any, low: Any, key: Any) -> None:
        bits = _bits(b, x)
        position = b.fmul(b.sitofp(b.sub(bits, low), _FLOAT), factor)
        shift = _f(1.5)
        if dithered:
            shift = _dither(b, i, key, apart)
        code = b.fptosi(b.fadd(position, shift), _I32)
        code = b.select(b.icmp_unsigned("==", bits, _I32(0)), _I32(0), code)
        _write(b, codes, i, b.trunc(code, _I8), apart)

    return {
        "first": first,
        "second": second,
        "decode": decode,
        "top": lambda b, top, x: _call(b, "llvm.umax", top, _bits(b, x)),
        "low": lambda b, low, x: _call(b, "llvm.umin", low, b.sub(_bits(b, x), _I32(1))),
        "special": lambda b, top: ir.Constant(ir.IntType(1), 0),
        "replace": lambda b, x, top: x,
        "close": close,
        "factor": factor,
        "offset": lambda b, top, low: b.add(low, _I32(1)),
        "encode": encode,
    }


def _half(apart: Apart | None, signed: bool) -> dict[str, Callable[..., Any]]:
    def field(b: Any, top: Any) -> Any:
        top = _call(b, "llvm.smin", top, _I32(blocks.LARGEST_11_BITS))
        exponent = b.sub(b.lshr(b.add(top, _I32(0x1000)), _I32(23)), _I32(14))
        return _call(b, "llvm.smax", exponent, _I32(1))

    def replace(b: Any, x: Any, top: Any) -> Any:
        limit = b.bitcast(_call(b, "llvm.smin", _magnitude(b, x), _I32(blocks.LARGEST_11_BITS)), _FLOAT)
        return b.select(_is_finite(b, top), _call(b, "llvm.copysign", limit, x), _f(0.0))

    def close(b: Any, words: Any, n: Any, top: Any, low: Any) -> None:
        bits = b.select(b.icmp_unsigned("==", top, _I32(0)), _I32(0), b.shl(field(b, top), _I32(23)))
        _write(b, words, n, _or_nan(b, top, b.bitcast(bits, _FLOAT)))

    def factor(b: Any, top: Any, low: Any) -> Any:
        bits = b.shl(b.sub(_I32(254), field(b, top)), _I32(23))
        return b.select(_is_finite(b, top), b.bitcast(bits, _FLOAT), _f(0.0))

    def encode(b: Any, codes: Any, i: Any, x: Any, factor: Any, _: Any, key: Any) -> None:
        code = b.fptrunc(b.fmul(x, factor), _HALF)
        if not signed:  # a positive value keeps at least the smallest float16
            bits = b.bitcast(code, _I16)
            lost = b.and_(b.icmp_unsigned("==", bits, _I16(0)), b.fcmp_ordered(">", x, _f(0.0)))
            code = b.bitcast(b.select(lost, _I16(1), bits), _HALF)
        _write(b, codes, i, code, apart)

    def decode(b: Any, codes: Any, i: Any, scale: Any, _: Any) -> Any:
        return b.fmul(b.fpext(_read(b, codes, i, _HALF, apart), _FLOAT), scale)

    return {
        "first": lambda b, words, n: _read(b, words, n, _FLOAT),
        "second": lambda b, words, n: _I32(0),
        "decode": decode,
        "top": lambda b, top, x: _call(b, "llvm.smax", top, _magnitude(b, x)),
        "low": lambda b, low, x: low,
        "special": lambda b, top: b.icmp_unsigned(">", top, _I32(blocks.LARGEST_11_BITS)),
        "replace": replace,
        "close": close,
        "factor": factor,
        "offset": lambda b, top, low: _I32(0),
        "encode": encode,
    }


def _pattern(value: float) -> int:
    import struct

    return int(struct.unpack("=i", struct.pack("=f", value))[0])


def _is_finite(b: Any, top: Any) -> Any:
    return b.icmp_unsigned("<", top, _I32(blocks.INFINITY))


def _or_nan(b: Any, top: Any, scale: Any) -> Any:
    return b.select(_is_finite(b, top), scale, b.bitcast(_I32(blocks.NAN_ORIGIN << 8), _FLOAT))


KINDS = ("int8", "int8_nearest", "int8log", "int8log_nearest", "float16", "float16_positive")


def _widen(b: Any, x: Any, target: Any) -> Any:
    if x.type == target:
        return x
    return b.fpext(x, target) if target == _DOUBLE else b.fptrunc(x, target)


def make_codec(kind: str, computed: str, apart: Apart | None = None) -> dict[str, Any]:
    """The intrinsics of CODEC for one kind of buffer.

    Args:
        kind: one of KINDS.
        computed: the kernel's compute dtype; codecs work in float32.
        apart: a name for this buffer's codes, and the names of all that does not overlap them.
    """
    emit = {
        "int8": lambda: _signed(apart, True),
        "int8_nearest": lambda: _signed(apart, False),
        "int8log": lambda: _log(apart, True),
        "int8log_nearest": lambda: _log(apart, False),
        "float16": lambda: _half(apart, True),
        "float16_positive": lambda: _half(apart, False),
    }[kind]()
    target, value = _COMPUTED[computed]
    first = _i32 if kind.startswith("int8log") else _f32

    def narrow(f: Callable[..., Any], place: int) -> Callable[..., Any]:
        """The same on a value of the compute dtype at one place of the arguments."""
        return lambda b, *args: f(b, *args[:place], _widen(b, args[place], _FLOAT), *args[place + 1 :])

    def back(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda b, *args: _widen(b, f(b, *args), target)

    return {
        "first": _make(first, [_i64, _i64], emit["first"]),
        "second": _make(_i32, [_i64, _i64], emit["second"]),
        "decode": _make(value, [_i64, _i64, first, _i32], back(emit["decode"])),
        "top": _make(_i32, [_i32, value], narrow(emit["top"], 1)),
        "low": _make(_i32, [_i32, value], narrow(emit["low"], 1)),
        "special": _make(types.boolean, [_i32], emit["special"]),
        "replace": _make(value, [value, _i32], back(narrow(emit["replace"], 0))),
        "close": _make(_void, [_i64, _i64, _i32, _i32], emit["close"]),
        "factor": _make(_f32, [_i32, _i32], emit["factor"]),
        "offset": _make(_i32, [_i32, _i32], emit["offset"]),
        "encode": _make(_void, [_i64, _i64, value, _f32, _i32, _i32], narrow(emit["encode"], 2)),
    }


nothing = _make(_i32, [], lambda b: _I32(0))
everything = _make(_i32, [], lambda b: _I32(-1))


@intrinsic
def wide(typing):  # type: ignore[no-untyped-def]
    """Let loops of this function use the widest vectors there are; LLVM by itself stays at 256 bits on most processors.

    For kernels with block codecs, which are bound by the number of instructions. Not on processors before Ice Lake,
    whose clock falls by a quarter; they lack AVX-512 VBMI2, too.
    """

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # llvmlite knows no attributes with values
        return context.get_dummy_value()

    return types.void(), emit
