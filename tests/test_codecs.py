"""Codecs of generated kernels against their torch references: the same bits, whatever the values; vector code."""

import ctypes
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from descend.engines import build, codecs, intrinsics, rounded
from descend.storage import blocks, parameters, rounding
from descend.storage.formats import decode, encode, format_of

KEY = rounding.keys(3, 4)
LARGEST = torch.finfo(torch.float32).max

BLOCKS = """
def kernel(codes, words, out, n, source, keys):
    memory = scratch()
    for block in range(0, n, 128):
        size, b = min(128, n - block), block >> 7
        top, low = nothing(), everything()
        for i in range(size):
            x = load_source(source + SIZE * block, i)
            store_memory(memory, i, x)
            top = codec_top(top, x)
            low = codec_low(low, x)
        if codec_special(top):
            for i in range(size):
                store_memory(memory, i, codec_replace(load_memory(memory, i), top))
        codec_close(words, b, top, low)
        factor, offset = codec_factor(top, low), codec_offset(top, low)
        key = dither(block_start(b, whole(keys, 0), whole(keys, 1)))
        for i in range(size):
            codec_encode(codes + WIDTH * block, i, load_memory(memory, i), factor, offset, key)
        first, second = codec_first(words, b), codec_second(words, b)
        for i in range(size):
            store_out(out + SIZE * block, i, codec_decode(codes + WIDTH * block, i, first, second))
"""
ELEMENTS = """
def kernel(high, low, out, n, source, keys):
    for block in range(0, n, 128):
        start = block_start(block >> 7, whole(keys, 0), whole(keys, 1))
        for i in range(min(128, n - block)):
            BODY
"""
PAIR = """store(high + 2 * block, low + 2 * block, i, load_source(source + 4 * block, i))
            store_out(out + 4 * block, i, load(high + 2 * block, low + 2 * block, i))"""
DITHERED = "store(high + 2 * block, i, load_source(source + 4 * block, i), start)"
MODES = {
    "bfloat16~": ("bfloat16", DITHERED),
    "float16~": ("float16", DITHERED),
    "bfloat16|kahan": ("bfloat16", PAIR),
    "float16|kahan": ("float16", PAIR),
    "bfloat16|split": ("bfloat16", PAIR),
}
RANDOM = {"block_start": rounded.block_start(), "whole": rounded.whole(), "dither": rounded.dither()}
NAMES = ("source", "memory", "out", "codes", "low")


def apart(name: str) -> codecs.Apart:
    return name, tuple(other for other in NAMES if other != name)


def plain(kind: str) -> tuple[Any, Any]:
    """load and store of a scratch dtype, without scopes."""
    return intrinsics.make_load(kind, kind), intrinsics.make_store(kind, kind)


def machine_code(source: str, names: dict[str, Any]) -> tuple[Callable[..., None], str]:
    space = dict(names)
    exec(compile(source, "kernel", "exec"), space)
    module = build.module_of({"entry": (space["kernel"], "void(int64,int64,int64,int64,int64,int64)")})
    (address,) = build._link(bytes(build._machine().emit_object(module)), "entry")
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)(address), str(module)


@functools.cache
def block_kernel(kind: str, computed: str) -> tuple[Callable[..., None], str]:
    load, store = plain(computed)
    names = {f"codec_{name}": f for name, f in codecs.make_codec(kind, computed, apart("codes")).items()}
    names |= {"load_source": load, "load_memory": load, "store_memory": store, "store_out": store}
    names |= {"scratch": intrinsics.scratch, "nothing": codecs.nothing, "everything": codecs.everything}
    names |= RANDOM | {"SIZE": 8 if computed == "float64" else 4, "WIDTH": 1 if kind.startswith("int8") else 2}
    return machine_code(BLOCKS, names)


@functools.cache
def element_kernel(kind: str) -> tuple[Callable[..., None], str]:
    load, store = plain("float32")
    dtype, body = MODES[kind]
    names = {"load_source": load, "store_out": store, **RANDOM}
    if body is PAIR:
        mode = kind.split("|")[1]
        names["load"] = rounded.make_load_pair(mode, dtype, apart("codes"), apart("low"))
        names["store"] = rounded.make_store_pair(mode, dtype, apart("codes"), apart("low"))
    else:
        names["store"] = rounded.make_store_dithered(dtype, "float32", apart("codes"))
    return machine_code(ELEMENTS.replace("BODY", body), names)


def addresses(*tensors: torch.Tensor) -> list[int]:
    return [t.data_ptr() for t in tensors]


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal bit for bit, but for what a NaN looks like."""
    if a.is_floating_point():
        nan = a.isnan()
        if not torch.equal(nan, b.isnan()):
            return False
        kind = {2: torch.int16, 4: torch.int32, 8: torch.int64}[a.element_size()]
        return torch.equal(a[~nan].view(kind), b[~nan].view(kind))
    return torch.equal(a, b)


def cases(positive: bool) -> Iterator[tuple[str, torch.Tensor]]:
    size = 128 * 20 + 37
    sign = torch.ones(size) if positive else torch.sign(torch.randn(size))
    for scale in (1e-45, 1e-43, 1e-41, 1e-38, 1e-34, 1e-30, 1e-10, 1.0, 1e10, 1e30, 1e38):
        yield f"normal * {scale}", (torch.randn(size).abs() * sign).mul(scale)
        yield f"wide * {scale}", (torch.randn(size).abs() * (4 * torch.randn(size)).exp() * sign).mul(scale)
    bits = torch.randint(0, 2**31, (size,), dtype=torch.int64).to(torch.int32).view(torch.float32) * sign
    yield "any bits", bits
    yield "any finite bits", torch.where(bits.isfinite(), bits, 0.0).abs() * sign
    mixed = torch.rand(size) * sign
    mixed[[5, 300, 301, 900]] = torch.tensor([torch.nan, torch.inf, 0.0, -torch.nan])
    yield "a few not finite", mixed
    yield "largest", torch.full((size,), LARGEST)
    yield "zeros", torch.zeros(size)
    yield "many zeros", torch.where(torch.rand(size) < 0.5, 0.0, mixed.nan_to_num(0, 0, 0))
    yield "equal", torch.full((size,), 0.7)
    for small in (1, 2, 127, 128, 129):
        yield f"{small} elements", torch.rand(small)


@pytest.mark.parametrize("computed", ["float32", "float64"])
@pytest.mark.parametrize("kind", codecs.KINDS)
def test_block_codecs_equal_the_reference_bit_for_bit(kind: str, computed: str) -> None:
    kernel, _ = block_kernel(kind, computed)
    signed = kind in ("int8", "int8_nearest", "float16")
    spec = format_of("int8" if kind.startswith("int8") else "float16", signed)
    row = torch.tensor([float(k) for k in KEY], dtype=torch.float64)
    for name, x in cases(positive=not signed):
        codes, words = spec.zeros(x.numel())
        assert words is not None
        wide = x.to(getattr(torch, computed))
        out = torch.zeros_like(wide)
        kernel(*addresses(codes, words, out), x.numel(), *addresses(wide, row))
        expected = encode(spec, x, KEY if kind in ("int8", "int8log") else None)
        assert expected[1] is not None
        assert same_bits(codes, expected[0]), name
        assert same_bits(words, expected[1]), name
        assert same_bits(out.float(), decode(spec, *expected)), name


@pytest.mark.parametrize("kind", sorted(MODES))
def test_rounding_stores_equal_the_reference_bit_for_bit(kind: str) -> None:
    kernel, _ = element_kernel(kind)
    row = torch.tensor([float(k) for k in KEY], dtype=torch.float64)
    dtype = getattr(torch, MODES[kind][0])
    for name, x in cases(positive=False):
        high, out = torch.zeros(x.numel(), dtype=dtype), torch.zeros_like(x)
        low = torch.zeros(x.numel(), dtype=torch.int16 if kind.endswith("split") else dtype)
        kernel(*addresses(high, low, out), x.numel(), *addresses(x, row))
        if kind.endswith("~"):
            random = parameters.random16(x.numel(), KEY, 0)
            assert same_bits(high, parameters.stochastic(x, dtype, random)), name
            continue
        mode = kind.split("|")[1]
        expected = parameters.store_pair(mode, x, dtype)
        assert same_bits(high, expected[0]), name
        assert same_bits(low, expected[1]), name
        assert same_bits(out, parameters.load_pair(mode, *expected)), name


@pytest.mark.parametrize("kind", codecs.KINDS)
def test_loops_over_block_codecs_become_vector_code(kind: str) -> None:
    """Four loops or more (one is of stores to scratch): reductions, conversions to codes and back."""
    _, assembly = block_kernel(kind, "float32")
    assert re.search(r"call <\d+ x i32> @llvm\.[us]max\.v", assembly)
    narrow = "half" if kind.startswith("float16") else "i8"
    assert re.search(rf"store <\d+ x {narrow}>|store <\d+ x i16>", assembly)
    assert re.search(rf"load <\d+ x {narrow}>", assembly)
    if kind.startswith("int8log"):
        assert re.search(r"call <\d+ x i32> @llvm\.umin\.v", assembly)


@pytest.mark.parametrize("kind", sorted(MODES))
def test_loops_over_rounding_stores_become_vector_code(kind: str) -> None:
    _, assembly = element_kernel(kind)
    assert re.search(r"store <\d+ x (i16|half)>", assembly)


def test_blocks_and_kernels_have_one_size() -> None:
    assert blocks.BLOCK == intrinsics.BLOCK
    assert set(codecs.make_codec("int8", "float32")) == set(codecs.CODEC)
