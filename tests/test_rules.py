"""The rule language at import: what is inside it is accepted and means the same on every engine, the rest is refused.

Each bad rule is a file of its own, so that the file and line in the message can be checked exactly.
"""

import importlib.util
import math
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import CASES, assert_same_bits, copies, parameters, random

import descend
from descend import rules
from descend.rules import ops

HEAD = """from descend.rules import Buffer, Rule
from descend.rules.ops import abs, maximum, minimum, sign, sqrt, where
import math

"""
SCALARS = """

def scalars(t, *, lr, beta):
    return dict(lr=lr, beta=beta)


RULE = Rule(rule, scalars, dict(buf=Buffer()))
"""
SIGNATURE = "def rule(p, g, buf, *, lr, beta):\n"


def load(tmp_path: Path, body: str, signature: str = SIGNATURE) -> Any:
    """Import a module whose rule has these statements; the first of them stands in line 6."""
    path = tmp_path / "my_rule.py"
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    path.write_text(HEAD + signature + lines + SCALARS, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("my_rule", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RULE


END = "\nreturn p - lr * buf, buf"
BAD = {  # name: (statements, line of the offence counted from the first statement, what the message must name)
    "literal": ("buf = buf + 2 * g" + END, 0, r"literal 2"),
    "float literal": ("buf = buf + g" + END + " * 0.5", 1, r"literal 0\.5"),
    "literal power": ("buf = g ** 2" + END, 0, r"\*\*"),
    "one minus beta": ("buf = beta * buf + (1 - beta) * g" + END, 0, r"literal 1|1 - beta"),
    "product of scalars": ("buf = buf + (lr * beta) * g" + END, 0, r"lr \* beta"),
    "product of scalars by precedence": ("buf = buf + lr * beta * g" + END, 0, r"lr \* beta"),
    "function of a scalar": ("buf = buf + sqrt(beta) * g" + END, 0, r"sqrt\(beta\)"),
    "minus a scalar": ("buf = buf + -beta * g" + END, 0, r"-beta"),
    "scalar under a name": ("step = lr\nreturn p - step * g, buf", 0, "lr"),
    "augmented assignment": ("g = g + buf\nbuf += g" + END, 1, r"\+="),
    "augmented product": ("buf *= beta" + END, 0, r"\*="),
    "branch on data": ("if g > buf:\n    buf = g" + END, 0, r"where"),
    "branch on a scalar's value": ("if beta:\n    buf = g" + END, 0, r"where|is not None"),
    "conditional expression": ("buf = g if g > buf else buf" + END, 0, r"IfExp|if"),
    "boolean operator": ("buf = where(g > buf and g > p, g, buf)" + END, 0, r"and|BoolOp|comparison"),
    "chained comparison": ("buf = where(p > g > buf, g, buf)" + END, 0, r"compar|p > g > buf"),
    "foreign call": ("buf = math.sqrt(g)" + END, 0, r"math\.sqrt"),
    "builtin": ("buf = max(buf, g)" + END, 0, r"max\(\)"),
    "wrong number of arguments": ("buf = maximum(buf)" + END, 0, r"maximum"),
    "keyword argument": ("buf = maximum(buf, b=g)" + END, 0, r"maximum"),
    "for loop": ("for i in buf:\n    g = g + i" + END, 0, r"for"),
    "while loop": ("while True:\n    g = g + buf" + END, 0, r"while"),
    "comprehension": ("buf = [x for x in g]" + END, 0, r"ListComp"),
    "attribute": ("buf = g.data" + END, 0, r"Attribute|g\.data"),
    "method": ("buf = g.abs()" + END, 0, r"g\.abs"),
    "subscript": ("buf = g[lr]" + END, 0, r"Subscript|g\[lr\]"),
    "unknown name": ("buf = buf + gradient" + END, 0, r"gradient"),
    "global": ("buf = buf + math" + END, 0, r"math"),
    "several targets": ("buf = q = g" + END, 0, r"one name"),
    "unpacking": ("buf, g = g, buf" + END, 0, r"one name"),
    "assignment to a scalar": ("lr = g" + END, 0, r"lr"),
    "walrus": ("buf = (q := g) + q" + END, 0, r"NamedExpr"),
    "lambda": ("f = lambda x: x" + END, 0, r"Lambda"),
    "nested function": ("def f(x):\n    return x" + END, 0, r"functiondef|def"),
    "expression statement": ("sqrt(g)" + END, 0, r"expr"),
    "del": ("del g" + END, 0, r"del"),
    "floor division": ("buf = buf // g" + END, 0, r"//"),
    "modulo": ("buf = buf % g" + END, 0, r"%"),
    "matrix product": ("buf = buf @ g" + END, 0, r"@"),
    "not": ("buf = where(not g, g, buf)" + END, 0, r"not|comparison"),
    "string": ("buf = 'buf'" + END, 0, r"literal"),
    "missing return value": ("buf = g\nreturn p - lr * buf", 1, r"return p, buf"),
    "extra return value": ("buf = g\nreturn p - lr * buf, buf, g", 1, r"return p, buf"),
    "early return": ("if buf is None:\n    return p, buf" + END, 1, r"return"),
    "return of a scalar": ("return p - lr * g, beta", 0, r"beta"),
    "presence of the gradient": ("if g is not None:\n    buf = g" + END, 0, r"`g is None`|only a buffer"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_with_file_and_line(tmp_path: Path, name: str) -> None:
    body, offset, names = BAD[name]
    with pytest.raises(rules.RuleError) as caught:
        load(tmp_path, body)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'my_rule.py'}:{6 + offset}: "), message
    assert re.search(names, message.split(": ", 1)[1]), message
    assert isinstance(caught.value, TypeError)


SIGNATURES = {
    "other order": "def rule(g, p, buf, *, lr, beta):\n",
    "undeclared buffer": "def rule(p, g, buf, other, *, lr, beta):\n",
    "missing buffer": "def rule(p, g, *, lr, beta, buf):\n",
    "positional scalars": "def rule(p, g, buf, lr, beta):\n",
    "default": "def rule(p, g, buf=None, *, lr, beta):\n",
    "default of a scalar": "def rule(p, g, buf, *, lr, beta=None):\n",
    "starred": "def rule(p, g, buf, *rest, lr, beta):\n",
    "keywords": "def rule(p, g, buf, *, lr, beta, **rest):\n",
    "positional only": "def rule(p, g, buf, /, *, lr, beta):\n",
    "vocabulary as argument": "def rule(p, g, buf, *, lr, beta, sqrt):\n",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(tmp_path: Path, name: str) -> None:
    with pytest.raises(rules.RuleError, match=r"my_rule\.py:5: "):
        load(tmp_path, "buf = g" + END, SIGNATURES[name])


def test_only_a_def_is_a_rule() -> None:
    def scalars(t: int, *, lr: float) -> dict[str, float]:
        return dict(lr=lr)

    for thing in (lambda p, g, *, lr: p - lr * g, math.sqrt, eval("lambda p, g, *, lr: p")):
        with pytest.raises(rules.RuleError):
            rules.Rule(thing, scalars)


GOOD = {
    "plain": "buf = beta * buf + g" + END,
    "docstring": '"""b <- beta b + g; p <- p - lr b."""\nbuf = beta * buf + g' + END,
    "branch on presence": "if buf is not None:\n    buf = beta * buf + g\nelse:\n    g = g + g" + END,
    "nested branch": "if beta is not None:\n    if buf is not None:\n        buf = beta * buf" + END,
    "vocabulary": "buf = maximum(abs(g), minimum(beta * buf, sqrt(g * g)))\nreturn p - lr * sign(buf), buf",
    "where": "buf = where(g >= buf, beta * g, buf)" + END,
    "comparison with a scalar": "buf = where(abs(g) > beta, g, buf)" + END,
    "unary minus": "buf = -g - -buf" + END,
    "new names": "step = g / (sqrt(buf * buf) + beta)\nother = step + g\nreturn p - lr * other, buf",
}


@pytest.mark.parametrize("name", GOOD)
def test_accepted(tmp_path: Path, name: str) -> None:
    """And the two engines agree on it: what passes the check can be compiled."""
    rule = load(tmp_path, GOOD[name])
    assert rule.name == "rule"
    assert list(rule.buffers) == ["buf"]
    cls = descend.define(rule, lr=0.1, beta=0.9)
    params = parameters([37, 4])
    twins = copies(params)
    cpu, eager = cls(params, engine="cpu"), cls(twins, engine="eager")
    for step in range(3):
        for group in (params, twins):
            for i, p in enumerate(group):
                p.grad = random(p.shape, seed=step + i)
        cpu.step()
        eager.step()
    assert_same_bits(params, twins)
    assert list(cpu.explain().engines) and {k for k, rows in cpu.explain().engines.items() if rows} == {"cpu"}


def test_vocabulary_on_floats() -> None:
    nan, inf = math.nan, math.inf
    assert set(ops.__all__) == {"abs", "maximum", "minimum", "sign", "sqrt", "where"}
    for x in (0.0, 2.0, 1e300, inf):
        assert ops.sqrt(x) == math.sqrt(x)
        assert ops.abs(-x) == x
    assert math.isnan(ops.sqrt(-1.0)) and math.isnan(ops.sqrt(nan)) and math.isnan(ops.sign(nan))
    assert [ops.sign(x) for x in (-3.0, 0.0, 2.0, -inf)] == [-1, 0, 1, -1]
    assert ops.maximum(1.0, 2.0) == 2 and ops.minimum(1.0, 2.0) == 1
    for f in (ops.maximum, ops.minimum):
        assert math.isnan(f(nan, 1.0)) and math.isnan(f(1.0, nan))
    assert ops.where(True, 1.0, 2.0) == 1 and ops.where(False, 1.0, 2.0) == 2


@pytest.mark.parametrize("op", ["sqrt(x)", "abs(x)", "sign(x)", "maximum(x, y)", "minimum(x, y)", "where(x < y, x, y)"])
def test_vocabulary_means_the_same_everywhere(tmp_path: Path, op: str) -> None:
    """Floats, torch and machine code, on signed zeros, infinities, NaN and subnormals, in float64."""
    body = f"x = g\ny = buf\nreturn p - lr * {op}, buf"
    cls = descend.define(load(tmp_path, body), lr=1.0, beta=0.0)
    values = [0.0, -0.0, 1.5, -1.5, math.inf, -math.inf, math.nan, 5e-324, -1e308]
    x, y = (torch.tensor(v, dtype=torch.float64) for v in zip(*((a, b) for a in values for b in values), strict=True))
    expected = []
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        expected.append(0.0 - eval(op, vars(ops) | {"x": a, "y": b}))
    found = []
    for engine in ("eager", "cpu"):
        p = torch.nn.Parameter(torch.zeros_like(x))
        optimizer = cls([p], engine=engine)
        optimizer.state[p]["buf"] = y.clone()
        optimizer.state[p]["step"] = torch.tensor(1.0)
        p.grad = x.clone()
        optimizer.step()
        found.append(p)
    assert_same_bits([found[1]], [found[0]], "cpu against eager")
    wanted = torch.tensor(expected, dtype=torch.float64)
    assert torch.equal(found[0].detach().nan_to_num(nan=123.0, posinf=456.0, neginf=789.0),
                       wanted.nan_to_num(nan=123.0, posinf=456.0, neginf=789.0))  # fmt: skip


def test_rules_of_the_package() -> None:
    for case in CASES:
        assert case.rule.equation.count("p <- p -") >= 1
        assert case.rule.present(case.hyper) == case.buffers
    assert (rules.SGD.name, rules.ADAM.name) == ("sgd", "adam")


def test_buffers_are_declared_once() -> None:
    with pytest.raises((AttributeError, TypeError)):
        rules.ADAM.buffers["more"] = rules.Buffer()  # type: ignore[index]
    with pytest.raises(AttributeError):
        rules.ADAM.name = "other"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(rules.Buffer(when="amsgrad"))) == rules.Buffer(when="amsgrad")
