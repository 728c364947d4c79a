"""Writes the Python source of kernels: the update of a rule, and the sum of squares of gradients before it.

An update is one loop that loads, applies the prologue and the rule, and stores. The rule's own statements stand in it
(body.py), so a kernel reads like the rule. It is written to a file in the cache directory before it is compiled, where
tracebacks and debuggers find it.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..rules import Rule
from .body import body_of, rename
from .layout import BLOCK, CHUNK, CLIP, FACTOR, KEEP, L2, LINE, SCALARS, SCALE, STATISTICS

_HEAD = '''"""Kernel written by descend; see descend/engines/source.py. {title}"""


def kernel(job, first, start, last, stop):
    n = get(job, ENTRIES)
{outside}    for entry in range(first, last + 1):
        begin = start if entry == first else 0
        size = (stop if entry == last else at(job, STARTS, entry + 1) - at(job, STARTS, entry)) - begin
        row = at(job, ROW, entry)
{setup}        for block in range(0, size, {block}):
            count = min({block}, size - block)
            if block + {ahead} < size:
{prefetch}{inside}{end}'''


# Large tensors are bound by memory, and the processor's own prefetching stops at every page. Asking for the lines of
# the block that comes AHEAD elements later, one BLOCK at a time, saves a tenth to a fifth of the time there.
AHEAD = 512
# Where more is written than caches hold, what is written without having been read (ASGD's average before there is one)
# goes past them: otherwise its old values are read, too. Bytes of such a buffer from which that pays.
BEYOND_CACHES = 1 << 25
SIZES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}  # bytes


@dataclass(frozen=True)
class Variant:
    """All that a kernel is compiled for.

    Attributes:
        rule: the algorithm.
        dtypes: what parameter, gradient and each buffer are kept as, a dtype's name or a kind of coded.py; None: the
            buffer is absent.
        absent: for each scalar, whether it is None.
        computed: name of the compute dtype.
        scale: a row may scale the gradient (maximize, unscaling, clipping by the norm).
        keep: a row may shrink the parameter (decoupled weight decay).
        l2: a row may add a multiple of the parameter to the gradient (L2 weight decay).
        clip: gradients are clipped to a range, and scaled once more after that.
        past: what is only written goes past the caches.
        stats: sums for `optimizer.stats()` are kept.
    """

    rule: Rule
    dtypes: tuple[str | None, ...]
    absent: tuple[bool, ...]
    computed: str
    scale: bool
    keep: bool
    l2: bool
    clip: bool = False
    past: bool = False
    stats: bool = False

    @property
    def stored(self) -> list[tuple[str, str]]:
        """(name, dtype) of every tensor that is there, in the order of the columns."""
        names = ("p", "g", *self.rule.buffers)
        return [(name, dtype) for name, dtype in zip(names, self.dtypes, strict=True) if dtype is not None]

    @property
    def scalars(self) -> list[str]:
        """Names of the scalars that are there, in the order of the words of a row."""
        return [name for name, absent in zip(self.rule.scalar_names, self.absent, strict=True) if not absent]

    @property
    def gone(self) -> set[str]:
        """Names of the buffers and scalars that are absent."""
        names = ("p", "g", *self.rule.buffers)
        tensors = {name for name, dtype in zip(names, self.dtypes, strict=True) if dtype is None}
        return tensors | {name for name, gone in zip(self.rule.scalar_names, self.absent, strict=True) if gone}

    @property
    def title(self) -> str:
        """A line for people: the rule and what is stored how."""
        return f"{self.rule.name}: " + ", ".join(f"{name} {dtype}" for name, dtype in self.stored)


@dataclass(frozen=True)
class Norm:
    """A kernel that adds up squares of gradients, for clipping and to notice what is not finite.

    Attributes:
        dtype: stored dtype of the gradient.
        computed: name of the compute dtype.
        clip: gradients are clipped to a range first.
    """

    dtype: str
    computed: str
    clip: bool


def indented(lines: Iterable[str], depth: int) -> str:
    """The lines as text, each behind so many spaces."""
    return "".join(" " * depth + line + "\n" for line in lines)


def _prefetch(stored: Iterable[tuple[str, str]]) -> list[str]:
    """Ask for the block that comes AHEAD elements later, one line of the cache after another."""
    lines, by_dtype = [], dict[str, list[str]]()
    for name, dtype in stored:
        by_dtype.setdefault(dtype, []).append(name)
    for dtype, names in by_dtype.items():
        lines.append(f"for line in range(0, {BLOCK} * size_{dtype}, {LINE}):")
        lines += [f"    prefetch(at_{name} + size_{dtype} * (block + {AHEAD}) + line)" for name in names]
    return lines


def _at_chunk_end(lines: Iterable[str]) -> list[str]:
    return [f"if block + {BLOCK} >= size or (block + {BLOCK}) % {CHUNK} == 0:", *("    " + line for line in lines)]


# Lines that keep, for every chunk, what `optimizer.stats()` tells.
_SUMMED, _COUNTED = STATISTICS[:3], STATISTICS[3:]
_CLEAR = [f"clear(sums_{name})" for name in _SUMMED] + [f"{name} = 0" for name in _COUNTED]
STATS_OUTSIDE = [f"{kind}_{name} = scratch()" for name in _SUMMED for kind in ("block", "sums")] + _CLEAR
STATS_SETUP = [f"chunk = at(job, STATS, entry) + {8 * len(STATISTICS)} * (begin // {CHUNK})"]
STATS_LOADED = ["put_value(block_grad, i - block, _g)", "first_p = _p"]
STATS_COMPUTED = ["put_value(block_update, i - block, new_p - first_p)", "put_value(block_param, i - block, new_p)"]
STATS_AFTER = [
    f"for i in range(count, {BLOCK}):",
    *(f"    put_value(block_{name}, i, nothing)" for name in _SUMMED),
    *(f"add_squares(sums_{name}, block_{name})" for name in _SUMMED),
    f"zeros += count_zeros(block_grad) - ({BLOCK} - count)",
    "nonfinite += count_nonfinite(block_grad)",
    *_at_chunk_end(
        [
            *(f"put_double(chunk, {i}, total(sums_{name}))" for i, name in enumerate(_SUMMED)),
            *(f"put_double(chunk, {len(_SUMMED) + i}, {name})" for i, name in enumerate(_COUNTED)),
            f"chunk += {8 * len(STATISTICS)}",
            *_CLEAR,
        ]
    ),
]


def _update_source(variant: Variant) -> str:
    """The kernel of one step."""
    body, stored = body_of(variant.rule, variant.gone), dict(variant.stored)
    setup = [
        f"at_{name} = at(job, ADDRESSES, {column} * n + entry) + size_{dtype} * begin"
        for column, (name, dtype) in enumerate(variant.stored)
    ]
    used = [("scale", SCALE, variant.scale), ("keep", KEEP, variant.keep), ("l2", L2, variant.l2)]
    used += [("clip", CLIP, variant.clip), ("factor", FACTOR, variant.clip)]
    setup += [f"{name} = scalar(row, {number})" for name, number, there in used if there]
    setup += [f"{rename(name)} = scalar(row, {SCALARS + i})" for i, name in enumerate(variant.scalars)]
    setup += ["decays = l2 != 0"] * variant.l2
    before = ["_g = scale * _g"] * variant.scale
    before += ["_g = factor * minimum(maximum(_g, -clip), clip)"] * variant.clip
    before += ["_p = keep * _p"] * variant.keep
    before += ["if decays:", "    _g = _g + l2 * _p"] * variant.l2

    unread = body.only_written(stored, before)
    past = unread if variant.past else []
    outside = [f"block_{name} = scratch()" for name in past]
    loop = [f"{rename(name)} = load_{dtype}(at_{name}, i)" for name, dtype in stored.items() if name not in unread]
    if variant.stats:
        outside, setup, loop = outside + STATS_OUTSIDE, setup + STATS_SETUP, loop + STATS_LOADED
    loop += before + body.lines
    # Two passes: a stored value must not be read by the expression of the next.
    loop += [f"new_{name} = {value}" for name, value in body.results]
    for name, _ in body.results:
        place = f"block_{name}, i - block" if name in past else f"at_{name}, i"
        loop.append(f"store_{stored[name]}({place}, new_{name})")
    loop += STATS_COMPUTED * variant.stats
    inside = ["for i in range(block, block + count):", *("    " + line for line in loop)]
    for name in past:
        size = f"size_{stored[name]}"
        inside.append(f"stream(at_{name} + {size} * block, block_{name}, {size} * count)")
    inside += STATS_AFTER * variant.stats
    return _HEAD.format(
        block=BLOCK,
        ahead=AHEAD,
        title=variant.title,
        outside=indented(outside, 4),
        setup=indented(setup, 8),
        prefetch=indented(_prefetch((name, dtype) for name, dtype in stored.items() if name not in past), 16),
        inside=indented(inside, 12),
        end=indented(["fence()"] if past else [], 4),
    )


def _norm_source(variant: Norm) -> str:
    """The kernel that adds up squares of gradients."""
    dtype = variant.dtype
    setup = [
        f"at_g = at(job, ADDRESSES, n + entry) + size_{dtype} * begin",
        f"chunk = at(job, NORMS, entry) + 8 * (begin // {CHUNK})",
    ]
    clipped = "minimum(maximum(value, -clip), clip)" if variant.clip else "value"
    setup += [f"clip = scalar(row, {CLIP})"] * variant.clip
    copy = [
        "for i in range(count):",
        f"    value = load_{dtype}(at_g, block + i)",
        f"    put_value(values, i, {clipped})",
        f"for i in range(count, {BLOCK}):",
        "    put_value(values, i, nothing)",
        "add_squares(sums, values)",
    ]
    if dtype == variant.computed and not variant.clip:  # whole blocks as they lie in memory
        copy = [
            f"if count == {BLOCK}:",
            f"    add_squares(sums, at_g + size_{dtype} * block)",
            "else:",
            *("    " + line for line in copy),
        ]
    end = ["put_double(chunk, 0, total(sums))", "chunk += 8", "clear(sums)"]
    return _HEAD.format(
        block=BLOCK,
        ahead=AHEAD,
        title=f"squares of {dtype} gradients",
        outside=indented(["values = scratch()", "sums = scratch()", "clear(sums)"], 4),
        setup=indented(setup, 8),
        prefetch=indented(_prefetch([("g", dtype)]), 16),
        inside=indented([*copy, *_at_chunk_end(end)], 12),
        end="",
    )


def kernel_source(variant: Variant | Norm) -> str:
    """The kernel's Python source."""
    from . import coded

    if isinstance(variant, Norm):
        return _norm_source(variant)
    return coded.update_source(variant) if coded.needed(variant.dtypes) else _update_source(variant)


_FIELDS = ("ENTRIES", "STARTS", "ROW", "ADDRESSES", "NORMS", "STATS", "WORD_DATA", "FIRST_BLOCK")


def _namespace(variant: Variant | Norm) -> dict[str, Any]:
    """What the names of a kernel's source stand for; imports Numba."""
    from . import coded, intrinsics, layout, reductions

    computed, more = variant.computed, dict[str, Any]()
    dtypes = {dtype for _, dtype in variant.stored} if isinstance(variant, Variant) else {variant.dtype}
    if isinstance(variant, Variant) and coded.needed(dtypes):
        dtypes, more = set(), coded.namespace(variant)
    names = ("get", "at", "prefetch", "scratch", "stream", "fence")
    return (
        {name: getattr(intrinsics, name) for name in names}
        | {name: getattr(layout, name) for name in _FIELDS}
        | {
            "scalar": intrinsics.make_load("float64", computed),
            "put_double": intrinsics.make_store("float64", "float64"),
        }
        | {"put_value": intrinsics.make_store(computed, computed), "nothing": intrinsics.ZERO[computed]}
        | {"clear": reductions.clear, "total": reductions.total, "add_squares": reductions.make_add_squares(computed)}
        | {f"count_{what}": reductions.make_count(computed, what) for what in ("zeros", "nonfinite")}
        | {f"load_{d}": intrinsics.make_load(d, computed) for d in dtypes}
        | {f"store_{d}": intrinsics.make_store(d, computed) for d in dtypes}
        | {f"size_{d}": SIZES[d] for d in dtypes}
        | intrinsics.VOCABULARY
        | more
    )


@functools.cache
def kernel(variant: Variant | Norm) -> int:
    """The address of the compiled kernel, from the cache if it is there."""
    from .build import kernel as build

    source = kernel_source(variant)

    def make(path: Path) -> Callable[..., Any]:
        names = _namespace(variant)
        exec(compile(source, str(path), "exec"), names)
        function = names["kernel"]
        assert isinstance(function, types.FunctionType)
        return function

    name = variant.rule.name if isinstance(variant, Variant) else "norm"
    return build(name, f"{source}\n# computed in {variant.computed}\n", make)
