"""A rule's own statements as they stand in a kernel: absent buffers and scalars resolved, names made safe."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ..rules import Rule
from ..rules.check import VOCABULARY, is_presence_test


@dataclass(frozen=True)
class Body:
    """Lines of source: the statements before the result, and the expression of each new value by its name."""

    lines: list[str]
    results: list[tuple[str, str]]

    def only_written(self, names: Collection[str], before: list[str]) -> list[str]:
        """Of these tensors, those whose old values are not read.

        Args:
            names: of the rule's arguments.
            before: what a kernel does before the rule's statements.
        """
        lines = before + self.lines + [f"new_{name} = {value}" for name, value in self.results]
        first: dict[str, bool] = {}  # name: whether what comes first is a plain assignment to it
        for statement in ast.parse("\n".join(lines)).body:
            found = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            for node in found:
                reads = any(other.id == node.id and isinstance(other.ctx, ast.Load) for other in found)
                first.setdefault(node.id, isinstance(statement, ast.Assign) and not reads)
        return [name for name in names if first.get(rename(name), True)]


def rename(name: str) -> str:
    """A rule's name inside a kernel: its operations as they are, its variables with an underscore in front."""
    return name if name in VOCABULARY else f"_{name}"


def body_of(rule: Rule, gone: set[str]) -> Body:
    """The rule without the buffers and scalars named in `gone`."""
    tree = rule.tree
    statements = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    *others, final = statements
    copies = [_Resolve(gone).visit(ast.parse(ast.unparse(s)).body[0]) for s in others]
    lines = [line for s in _flat(copies) for line in ast.unparse(ast.fix_missing_locations(s)).splitlines()]
    assert isinstance(final, ast.Return) and final.value is not None
    values = final.value.elts if isinstance(final.value, ast.Tuple) else [final.value]
    results = [
        (name, ast.unparse(_Resolve(gone).visit(ast.parse(ast.unparse(value), mode="eval").body)))
        for name, value in zip(("p", *rule.buffers), values, strict=True)
        if name not in gone
    ]
    return Body(lines, results)


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


def _flat(nodes: list[Any]) -> list[ast.stmt]:
    return [n for node in nodes for n in (_flat(node) if isinstance(node, list) else [node])]
