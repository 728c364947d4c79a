"""Checks at import that a rule stays inside the language that every engine can compile.

The language is small on purpose (see docs of `Rule`): elementwise expressions over the parameter, the gradient, the
buffers and named scalars. What is refused here would be slow (a literal is float64 to a compiler), inexact (`1 - beta`
in float32), wrong on one engine only (`+=` edits torch tensors in place) or impossible to vectorise (a branch on data).
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from . import ops

VOCABULARY: dict[str, int] = {
    name: 3 if name == "where" else 2 if name in ("maximum", "minimum") else 1 for name in ops.__all__
}
_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


class RuleError(TypeError):
    """A rule that no engine could compile; the message names file and line."""


def parse(function: Callable[..., Any]) -> ast.FunctionDef:
    """The syntax tree of a rule's function, with the line numbers of its file."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError, IndexError) as error:
        raise RuleError(
            f"{function!r}: a rule needs readable source (a def in a file or notebook cell): {error}"
        ) from None
    if not isinstance(tree, ast.FunctionDef):
        raise RuleError(f"{function!r}: a rule is a plain `def`, not a lambda, a class or an async function")
    return ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)


def is_presence_test(test: ast.expr) -> str | None:
    """The name tested by `name is None` or `name is not None`; None for any other expression."""
    if (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and len(test.ops) == 1
        and isinstance(test.ops[0], (ast.Is, ast.IsNot))
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value is None
    ):
        return test.left.id
    return None


def check(function: Callable[..., Any], buffers: Sequence[str]) -> ast.FunctionDef:
    """Refuse a function outside the rule language.

    Args:
        function: the rule's update, `(p, g, *buffers, *, **scalars) -> (p, *buffers)`.
        buffers: names of the declared buffers, in order.

    Returns:
        The function's syntax tree.

    Raises:
        RuleError: naming file, line and what is allowed instead.
    """
    tree = parse(function)
    _Checker(function.__code__.co_filename, tuple(buffers)).function(tree)
    return tree


@dataclass
class _Checker:
    file: str
    buffers: tuple[str, ...]

    def refuse(self, node: ast.AST, why: str) -> NoReturn:
        raise RuleError(f"{self.file}:{getattr(node, 'lineno', 0)}: {why}")

    def function(self, tree: ast.FunctionDef) -> None:
        args = tree.args
        names = [a.arg for a in args.args]
        wanted = ["p", "g", *self.buffers]
        if args.posonlyargs or args.vararg or args.kwarg or args.defaults or any(args.kw_defaults) or names != wanted:
            self.refuse(
                tree,
                f"signature of {tree.name}: a rule takes ({', '.join(wanted)}, *, scalars) without defaults, "
                f"its buffers named and ordered as declared; got ({ast.unparse(args)})",
            )
        # True: one value an element; False: one value a launch.
        self.elementwise = dict.fromkeys(names, True) | dict.fromkeys((a.arg for a in args.kwonlyargs), False)
        self.arguments = set(self.elementwise)
        clash = self.arguments & set(VOCABULARY)
        if clash:
            self.refuse(tree, f"{clash.pop()}: an argument may not be called like an operation of the vocabulary")
        body = tree.body[1:] if ast.get_docstring(tree, clean=False) is not None else tree.body
        if not body or not isinstance(body[-1], ast.Return):
            self.refuse(tree, f"{tree.name} must end with `return {', '.join(['p', *self.buffers])}`")
        for statement in body[:-1]:
            self.statement(statement)
        self.result(body[-1])

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.AugAssign):
            op = _ARITHMETIC.get(type(node.op), "?")
            name = ast.unparse(node.target)
            self.refuse(
                node, f"`{op}=` changes a tensor in place in the eager engine: write `{name} = {name} {op} ...`"
            )
        if isinstance(node, ast.Assign):
            if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
                self.refuse(node, "assign to one name at a time")
            target = node.targets[0].id
            if self.elementwise.get(target) is False:
                self.refuse(node, f"{target} is a scalar and may not be assigned to: compute it in scalars()")
            if target in VOCABULARY:
                self.refuse(node, f"{target} is an operation of the vocabulary and may not be assigned to")
            self.element(node.value)
            self.elementwise[target] = True
        elif isinstance(node, ast.If):
            tested = is_presence_test(node.test)
            if tested is None:
                self.refuse(
                    node, "a branch on data cannot be vectorised: use where(); only `if x is not None:` is allowed"
                )
            elif tested not in self.arguments or tested in ("p", "g"):
                self.refuse(node, f"`{tested} is None`: only a buffer or a scalar may be absent")
            for inner in (*node.body, *node.orelse):
                self.statement(inner)
        else:
            self.refuse(
                node,
                f"{type(node).__name__.lower()} statement: a rule has assignments, `if x is not None:` and a return",
            )

    def result(self, node: ast.Return) -> None:
        value = node.value
        values = value.elts if isinstance(value, ast.Tuple) else [value] if value is not None else []
        if len(values) != 1 + len(self.buffers):
            wanted = ", ".join(["p", *self.buffers])
            self.refuse(node, f"returns {len(values)} values, wanted {1 + len(self.buffers)}: return {wanted}")
        for item in values:
            self.element(item)

    def element(self, node: ast.expr) -> None:
        """An expression that must have one value an element."""
        if not self.expression(node):
            text = ast.unparse(node)
            self.refuse(
                node, f"`{text}` does not depend on the element: return it from scalars() (float64 on the host)"
            )

    def expression(self, node: ast.expr) -> bool:
        """Check an expression; True if it has one value an element, False for a scalar."""
        if isinstance(node, ast.Name):
            if node.id not in self.elementwise:
                known = ", ".join(self.elementwise)
                self.refuse(node, f"{node.id}: unknown name; a rule sees its arguments and what it assigned ({known})")
            return self.elementwise[node.id]
        if isinstance(node, ast.Constant):
            self.refuse(node, f"literal {node.value!r}: pass it from scalars() (float64 on the host)")
        if isinstance(node, ast.UnaryOp):
            if not isinstance(node.op, ast.USub):
                self.refuse(node, f"operator in `{ast.unparse(node)}`: use + - * / and comparisons")
            return self.operation(node, [node.operand])
        if isinstance(node, ast.BinOp):
            if type(node.op) not in _ARITHMETIC:
                self.refuse(
                    node, f"operator in `{ast.unparse(node)}`: use + - * /; powers of scalars belong in scalars()"
                )
            return self.operation(node, [node.left, node.right])
        if isinstance(node, ast.Compare):
            if len(node.ops) != 1 or not isinstance(node.ops[0], _ORDER):
                self.refuse(node, f"`{ast.unparse(node)}`: compare two values with < <= > >= == !=")
            return self.operation(node, [node.left, node.comparators[0]])
        if isinstance(node, ast.Call):
            return self.call(node)
        self.refuse(node, f"`{ast.unparse(node)}`: {type(node).__name__} is not part of the rule language")

    def call(self, node: ast.Call) -> bool:
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if name not in VOCABULARY or name in self.elementwise:
            self.refuse(
                node, f"{name}() is not known to the engines; the vocabulary is {', '.join(sorted(VOCABULARY))}"
            )
        if node.keywords or len(node.args) != VOCABULARY[name] or any(isinstance(a, ast.Starred) for a in node.args):
            self.refuse(node, f"{name}() takes {VOCABULARY[name]} positional argument(s)")
        if name == "where" and not isinstance(node.args[0], ast.Compare):
            self.refuse(node, "where() takes a comparison as its first argument")
        return self.operation(node, node.args)

    def operation(self, node: ast.expr, operands: Sequence[ast.expr]) -> bool:
        if not any(
            [self.expression(operand) for operand in operands]
        ):  # a list: check every operand, not only the first
            self.refuse(
                node,
                f"`{ast.unparse(node)}`: arithmetic on scalars only is slow and inexact in a kernel; "
                "compute it in scalars() (float64 on the host)",
            )
        return True
