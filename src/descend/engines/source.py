"""Writes the Python source of a kernel: one loop that loads, applies the prologue and the rule, and stores.

The rule's own statements stand in the loop, with absent buffers and scalars resolved, so a kernel reads like the rule.
It is written to a file in the cache directory before it is compiled, where tracebacks and debuggers find it.
"""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..rules import Rule
from ..rules.check import VOCABULARY, is_presence_test
from .layout import BLOCK, KEEP, L2, LINE, SCALARS, SCALE

_HEAD = '''"""Kernel written by descend; see descend/engines/source.py. {title}"""


def kernel(job, first, start, last, stop):
    n = get(job, ENTRIES)
    for entry in range(first, last + 1):
        begin = start if entry == first else 0
        size = (stop if entry == last else at(job, STARTS, entry + 1) - at(job, STARTS, entry)) - begin
        row = at(job, ROW, entry)
{setup}
        for block in range(0, size, {block}):
            if block + {ahead} < size:
{prefetch}
            for i in range(block, min(block + {block}, size)):
{body}
{after}'''


# Large tensors are bound by memory, and the processor's own prefetching stops at every page. Asking for the lines of
# the block that comes AHEAD elements later, one BLOCK at a time, saves a tenth to a fifth of the time there.
AHEAD = 512
# Where more is written than caches hold, what is written without having been read (ASGD's average before there is one)
# goes past them: otherwise its old values are read, too. Bytes of such a buffer from which that pays.
BEYOND_CACHES = 1 << 25


@dataclass(frozen=True)
class Variant:
    """All that a kernel is compiled for.

    Attributes:
        rule: the algorithm.
        dtypes: names of the stored dtypes of parameter, gradient and each buffer; None: the buffer is absent.
        absent: for each scalar, whether it is None.
        computed: name of the compute dtype.
        scale: a row may scale the gradient (maximize, unscaling).
        keep: a row may shrink the parameter (decoupled weight decay).
        l2: a row may add a multiple of the parameter to the gradient (L2 weight decay).
        past: what is only written goes past the caches.
    """

    rule: Rule
    dtypes: tuple[str | None, ...]
    absent: tuple[bool, ...]
    computed: str
    scale: bool
    keep: bool
    l2: bool
    past: bool = False

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
    def title(self) -> str:
        """A line for people: the rule and what is stored how."""
        return f"{self.rule.name}: " + ", ".join(f"{name} {dtype}" for name, dtype in self.stored)


class _Resolve(ast.NodeTransformer):
    """Take the branch of every `if x is not None:` and rename what would clash with the kernel's own names."""

    def __init__(self, absent: set[str]) -> None:
        self.absent = absent

    def visit_If(self, node: ast.If) -> Any:
        name = is_presence_test(node.test)
        assert isinstance(node.test, ast.Compare)
        taken = (name in self.absent) == isinstance(node.test.ops[0], ast.Is)
        return [self.visit(statement) for statement in (node.body if taken else node.orelse)]

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(rename(node.id), node.ctx)


def rename(name: str) -> str:
    """A rule's name inside a kernel: its operations as they are, its variables with an underscore in front."""
    return name if name in VOCABULARY else f"_{name}"


def _flat(nodes: list[Any]) -> list[ast.stmt]:
    return [n for node in nodes for n in (_flat(node) if isinstance(node, list) else [node])]


def kernel_source(variant: Variant) -> str:
    """The kernel's Python source."""
    rule, tree = variant.rule, variant.rule.tree
    gone = {name for name, dtype in zip(("p", "g", *rule.buffers), variant.dtypes, strict=True) if dtype is None}
    gone |= {name for name, absent in zip(rule.scalar_names, variant.absent, strict=True) if absent}
    setup = [
        f"at_{name} = at(job, ADDRESSES, {column} * n + entry) + size_{dtype} * begin"
        for column, (name, dtype) in enumerate(variant.stored)
    ]
    used = [("scale", SCALE, variant.scale), ("keep", KEEP, variant.keep), ("l2", L2, variant.l2)]
    setup += [f"{name} = scalar(row, {word})" for name, word, there in used if there]
    setup += [f"{rename(name)} = scalar(row, {SCALARS + i})" for i, name in enumerate(variant.scalars)]
    if variant.l2:
        setup.append("decays = l2 != 0")
    body = ["_g = scale * _g"] * variant.scale + ["_p = keep * _p"] * variant.keep
    if variant.l2:
        body += ["if decays:", "    _g = _g + l2 * _p"]
    statements = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    copies = [
        _Resolve(gone).visit(ast.parse(ast.unparse(s)).body[0]) if not isinstance(s, ast.Return) else s
        for s in statements
    ]
    for statement in _flat(copies):
        if not isinstance(statement, ast.Return):
            body += ast.unparse(ast.fix_missing_locations(statement)).splitlines()
    final = statements[-1]
    assert isinstance(final, ast.Return) and final.value is not None
    values = final.value.elts if isinstance(final.value, ast.Tuple) else [final.value]
    results = [
        (name, _Resolve(gone).visit(ast.parse(ast.unparse(value), mode="eval").body))
        for name, value in zip(("p", *rule.buffers), values, strict=True)
        if name not in gone
    ]
    # Two passes: a stored value must not be read by the expression of the next.
    body += [f"new_{name} = {ast.unparse(value)}" for name, value in results]
    dtypes = dict(variant.stored)
    unread = only_written(variant, body)
    read = [(name, dtype) for name, dtype in variant.stored if name not in unread]
    body = [f"{rename(name)} = load_{dtype}(at_{name}, i)" for name, dtype in read] + body
    past = unread if variant.past else []
    for name, _ in results:
        place = "block_{0}, i - block" if name in past else "at_{0}, i"
        body.append(f"store_{dtypes[name]}({place.format(name)}, new_{name})")
    prefetch = []
    fetched = [(name, dtype) for name, dtype in variant.stored if name not in past]
    for dtype in dict.fromkeys(dtype for _, dtype in fetched):
        prefetch.append(f"for line in range(0, {BLOCK} * size_{dtype}, {LINE}):")
        later = f"size_{dtype} * (block + {AHEAD}) + line"
        prefetch += [f"    prefetch(at_{name} + {later})" for name, kind in fetched if kind == dtype]
    setup += [f"block_{name} = scratch()" for name in past]
    after = []
    for name in past:
        size = f"size_{dtypes[name]}"
        after.append(f"stream(at_{name} + {size} * block, block_{name}, {size} * (min(block + {BLOCK}, size) - block))")
    end = "    fence()\n" if past else ""
    return _HEAD.format(
        block=BLOCK,
        ahead=AHEAD,
        prefetch="\n".join(" " * 16 + line for line in prefetch),
        title=variant.title,
        setup="\n".join(" " * 8 + line for line in setup),
        body="\n".join(" " * 16 + line for line in body),
        after="".join(" " * 12 + line + "\n" for line in after) + end,
    )


def only_written(variant: Variant, body: list[str]) -> list[str]:
    """Stored tensors whose old values the body of a kernel does not read."""
    first: dict[str, bool] = {}  # name: whether what comes first is a plain assignment to it
    for statement in ast.parse("\n".join(body)).body:
        names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        for node in names:
            reads = any(other.id == node.id and isinstance(other.ctx, ast.Load) for other in names)
            first.setdefault(node.id, isinstance(statement, ast.Assign) and not reads)
    return [name for name, _ in variant.stored if first.get(rename(name), True)]


def _namespace(variant: Variant) -> dict[str, Any]:
    """What the names of a kernel's source stand for; imports Numba."""
    from . import intrinsics, layout

    dtypes = {dtype for _, dtype in variant.stored}
    sizes = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
    load_double = intrinsics.make_load("float64", variant.computed)
    return (
        {"get": intrinsics.get, "prefetch": intrinsics.prefetch, "at": intrinsics.at, "scalar": load_double}
        | {"scratch": intrinsics.scratch, "stream": intrinsics.stream, "fence": intrinsics.fence}
        | {name: getattr(layout, name) for name in ("ENTRIES", "STARTS", "ROW", "ADDRESSES")}
        | {f"load_{d}": intrinsics.make_load(d, variant.computed) for d in dtypes}
        | {f"store_{d}": intrinsics.make_store(d, variant.computed) for d in dtypes}
        | {f"size_{d}": sizes[d] for d in dtypes}
        | intrinsics.VOCABULARY
    )


@functools.cache
def kernel(variant: Variant) -> int:
    """The address of the compiled kernel, from the cache if it is there."""
    from .build import kernel as build

    source = kernel_source(variant)

    def make(path: Path) -> Callable[..., Any]:
        names = _namespace(variant)
        exec(compile(source, str(path), "exec"), names)
        function = names["kernel"]
        assert isinstance(function, types.FunctionType)
        return function

    return build(variant.rule.name, f"{source}\n# computed in {variant.computed}\n", make)
