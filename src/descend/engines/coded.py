"""Source of kernels whose state, or whose parameter's rounding, goes by blocks: int8, scaled float16, dithered values.

Such a kernel goes through a block of 128 elements twice. The first loop decodes, runs the rule, and leaves new values
of coded buffers in scratch, reduced to what the block's new scale is made of; the second encodes the scratch. Loops
over whole blocks have a constant length, which vectorises best; only the last block of a tensor has another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import source as plain
from .body import body_of, rename
from .layout import BLOCK, CLIP, FACTOR, KEEP, L2, LINE, SCALARS, SCALE

# What a stored tensor is kept as, beside plain dtypes: kind: (dtype of a code, name of the codec).
CODED = {
    "int8": ("int8", "int8"),
    "uint8": ("uint8", "int8log"),
    "float16*": ("float16", "float16"),
    "float16+": ("float16", "float16_positive"),
}
DITHERED = {"bfloat16~": "bfloat16", "float16~": "float16"}
PAIRS = {
    "bfloat16|kahan": ("bfloat16", "kahan"),
    "float16|kahan": ("float16", "kahan"),
    "bfloat16|split": ("bfloat16", "split"),
}
AHEAD = 1024  # elements: low-precision state leaves more time between lines than float32 state does

_HEAD = '''"""Kernel written by descend; see descend/engines/coded.py. {title}"""


def kernel(job, first, start, last, stop):
    n = get(job, ENTRIES)
{outside}    for entry in range(first, last + 1):
        begin = start if entry == first else 0
        size = (stop if entry == last else at(job, STARTS, entry + 1) - at(job, STARTS, entry)) - begin
        row = at(job, ROW, entry)
        number = at(job, FIRST_BLOCK, entry) + begin // {block}
        words = begin // {block}
{setup}        for block in range(0, size, {block}):
            count = min({block}, size - block)
{inside}            number += 1
            words += 1
{after}'''


def needed(kinds: Iterable[str | None]) -> bool:
    """Whether tensors kept like this need such a kernel."""
    return any(kind in CODED or kind in DITHERED or kind in PAIRS for kind in kinds)


def dtype_of(kind: str) -> str:
    """Name of the dtype in memory."""
    if kind in CODED:
        return CODED[kind][0]
    return PAIRS[kind][0] if kind in PAIRS else DITHERED.get(kind, kind)


SIZES = {**plain.SIZES, "int8": 1, "uint8": 1}


def streams(variant: plain.Variant) -> list[str]:
    """Names of what is rounded with random bits, in the order of their keys."""
    return [name for name, kind in variant.stored if kind in DITHERED or kind in ("int8", "uint8")]


def update_source(variant: plain.Variant) -> str:
    """The kernel of one step."""
    stored = dict(variant.stored)
    body, coded = body_of(variant.rule, variant.gone), [name for name, kind in stored.items() if kind in CODED]
    pair = stored["p"] in PAIRS
    random = streams(variant)
    setup = [
        f"base_{name} = at(job, ADDRESSES, {column} * n + entry) + {SIZES[dtype_of(kind)]} * begin"
        for column, (name, kind) in enumerate(stored.items())
    ]
    if pair:
        rest = len(stored)
        setup.append(f"base_rest = at(job, ADDRESSES, {rest} * n + entry) + 2 * begin")
    setup += [f"words_{name} = at(job, WORD_DATA, {k} * n + entry)" for k, name in enumerate(coded)]
    used = [("scale", SCALE, variant.scale), ("keep", KEEP, variant.keep), ("l2", L2, variant.l2)]
    used += [("clip", CLIP, variant.clip), ("factor", FACTOR, variant.clip)]
    setup += [f"{name} = scalar(row, {number})" for name, number, there in used if there]
    setup += [f"{rename(name)} = scalar(row, {SCALARS + i})" for i, name in enumerate(variant.scalars)]
    setup += ["decays = l2 != 0"] * variant.l2
    keys = SCALARS + len(variant.scalars) + 2 * len(variant.rule.numbers)
    for k, name in enumerate(random):
        setup.append(f"key_{name}, lock_{name} = whole(row, {keys + 2 * k}), whole(row, {keys + 2 * k + 1})")

    inside = [f"at_{name} = base_{name} + {SIZES[dtype_of(kind)]} * block" for name, kind in stored.items()]
    inside += ["at_rest = base_rest + 2 * block"] * pair
    for name in coded:
        inside += [
            f"first_{name}, second_{name} = open_{name}(words_{name}, words), also_{name}(words_{name}, words)",
            f"top_{name}, low_{name} = no_bits(), all_bits()",
        ]
    inside += [f"start_{name} = block_start(number, key_{name}, lock_{name})" for name in random]
    inside = [*_prefetch(stored, pair, 0), *inside, *_over_block(_loop(variant, body, coded))]
    inside += _prefetch(stored, pair, 1)
    inside += [line.replace("block, i - block", "block, i") for line in plain.STATS_AFTER] * variant.stats
    if coded:  # the block before is encoded here, when the reductions over this one need not be waited for
        encode = [_encode(name, name in random) for name in coded]
        inside += ["if block > 0:", *("    " + line for line in _over(str(BLOCK), encode)), *_pending(coded, random)]
        after = ["if size > 0:", *("    " + line for line in _over("count", encode))]
        setup += [f"factor_{name}, offset_{name} = inverse_{name}(no_bits(), no_bits()), no_bits()" for name in coded]
        setup += [f"codes_{name}, then_{name} = base_{name}, no_bits()" for name in coded] + ["count = 0"]
    outside = [f"{age}_{name} = scratch()" for name in coded for age in ("new", "old")]
    outside = ["wide()"] * bool(coded) + outside
    if variant.stats:
        outside, setup = outside + plain.STATS_OUTSIDE, setup + plain.STATS_SETUP
    return _HEAD.format(
        block=BLOCK,
        title=variant.title,
        outside=plain.indented(outside, 4),
        setup=plain.indented(setup, 8),
        inside=plain.indented(inside, 12),
        after=plain.indented(after if coded else [], 8),
    )


def _over(count: str, lines: list[str]) -> list[str]:
    return [f"for i in range({count}):", *("    " + line for line in lines)]


def _over_block(lines: list[str]) -> list[str]:
    """The lines for every element of a block: loops of constant length vectorise best."""
    whole, part = (["    " + line for line in _over(count, lines)] for count in (str(BLOCK), "count"))
    return [f"if count == {BLOCK}:", *whole, "else:", *part]


def _encode(name: str, dithered: bool) -> str:
    key = f"then_{name}" if dithered else "no_bits()"
    return f"encode_{name}(codes_{name}, i, take_{name}(old_{name}, i), factor_{name}, offset_{name}, {key})"


def _pending(coded: list[str], random: list[str]) -> list[str]:
    """Write the block's numbers, and leave its values to be encoded after the next block's."""
    lines = []
    for name in coded:
        lines += [
            f"if special_{name}(top_{name}):",
            "    for i in range(count):",
            f"        put_{name}(new_{name}, i, replace_{name}(take_{name}(new_{name}, i), top_{name}))",
            f"close_{name}(words_{name}, words, top_{name}, low_{name})",
            f"factor_{name} = inverse_{name}(top_{name}, low_{name})",
            f"offset_{name} = shift_{name}(top_{name}, low_{name})",
            f"codes_{name}, new_{name}, old_{name} = at_{name}, old_{name}, new_{name}",
        ]
        lines += [f"then_{name} = dither(start_{name})"] * (name in random)
    return lines


def _loop(variant: plain.Variant, body: Any, coded: list[str]) -> list[str]:
    """What is done to each element."""
    lines = []
    for name, kind in variant.stored:
        if kind in CODED:
            lines.append(f"{rename(name)} = decode_{name}(at_{name}, i, first_{name}, second_{name})")
        elif kind in PAIRS:
            lines.append(f"{rename(name)} = load_{name}(at_{name}, at_rest, i)")
        else:
            lines.append(f"{rename(name)} = load_{name}(at_{name}, i)")
    if variant.stats:
        lines += [line.replace("i - block", "i") for line in plain.STATS_LOADED]
    lines += ["_g = scale * _g"] * variant.scale
    lines += ["_g = factor * minimum(maximum(_g, -clip), clip)"] * variant.clip
    lines += ["_p = keep * _p"] * variant.keep
    lines += ["if decays:", "    _g = _g + l2 * _p"] * variant.l2
    lines += body.lines
    lines += [f"new_value_{name} = {value}" for name, value in body.results]
    stored = dict(variant.stored)
    for name, _ in body.results:
        kind, value = stored[name], f"new_value_{name}"
        if kind in CODED:
            lines += [f"put_{name}(new_{name}, i, {value})"]
            lines += [f"{bound}_{name} = {bound}_of_{name}({bound}_{name}, {value})" for bound in ("top", "low")]
        elif kind in PAIRS:
            lines.append(f"store_{name}(at_{name}, at_rest, i, {value})")
        elif kind in DITHERED:
            lines.append(f"store_{name}(at_{name}, i, {value}, start_{name})")
        else:
            lines.append(f"store_{name}(at_{name}, i, {value})")
    if variant.stats:
        lines += [line.replace("i - block", "i").replace("new_p", "new_value_p") for line in plain.STATS_COMPUTED]
    return lines


def _prefetch(stored: dict[str, str], pair: bool, half: int) -> list[str]:
    """Ask for every second tensor's later block: a processor has room for about 16 requests at once."""
    sizes = {name: SIZES[dtype_of(kind)] for name, kind in stored.items()} | ({"rest": 2} if pair else {})
    chosen = list(sizes)[half::2]
    lines = []
    for size in sorted({sizes[name] for name in chosen}):
        lines.append(f"    for line in range(0, {BLOCK * size}, {LINE}):")
        here = [name for name in chosen if sizes[name] == size]
        lines += [f"        prefetch(base_{name} + {size} * (block + {AHEAD}) + line)" for name in here]
    return [f"if block + {AHEAD} < size:", *lines] if lines else []


def namespace(variant: plain.Variant) -> dict[str, Any]:
    """What the names of the source stand for, beside those of every kernel; imports Numba."""
    from . import codecs, rounded
    from .build import host_features

    computed, stored = variant.computed, dict(variant.stored)
    coded = [name for name, kind in stored.items() if kind in CODED]
    # A gradient may be its own parameter's memory; nothing else overlaps. Old and new scratch change places from block
    # to block, so they are one.
    memory = (*stored, "rest", *(f"scratch {name}" for name in coded))
    without = {name: tuple(other for other in memory if other != name) for name in ("p", "g")}
    names: dict[str, Any] = {
        "no_bits": codecs.nothing,
        "all_bits": codecs.everything,
        "block_start": rounded.block_start(),
        "whole": rounded.whole(),
        "dither": rounded.dither(),
        "wide": codecs.wide if "+avx512vbmi2" in host_features() else rounded.nothing(),
    }
    renamed = {
        "first": "open",
        "second": "also",
        "top": "top_of",
        "low": "low_of",
        "factor": "inverse",
        "offset": "shift",
    }
    for name, kind in stored.items():
        apart = (name, without["p" if name == "g" else "g"] if name in without else memory)
        if kind in CODED:
            codec = codecs.make_codec(CODED[kind][1], computed, apart)
            names |= {f"{renamed.get(key, key)}_{name}": function for key, function in codec.items()}
            scratch = (f"scratch {name}", memory)
            names[f"put_{name}"] = rounded.make_store(computed, computed, scratch)
            names[f"take_{name}"] = rounded.make_load(computed, computed, scratch)
        elif kind in PAIRS:
            dtype, mode = PAIRS[kind]
            names[f"load_{name}"] = rounded.make_load_pair(mode, dtype, apart, ("rest", memory))
            names[f"store_{name}"] = rounded.make_store_pair(mode, dtype, apart, ("rest", memory))
        else:
            dtype = dtype_of(kind)
            store: Callable[..., Any] = rounded.make_store_dithered if kind in DITHERED else rounded.make_store
            names[f"load_{name}"] = rounded.make_load(dtype, computed, apart)
            names[f"store_{name}"] = store(dtype, computed, apart)
    return names
