"""Which engine runs which tensors, and what `explain()` says about it; and what happens without a compiler."""

import subprocess
import sys

import pytest
import torch
from cases import CASES, buffers, named, parameters, ran_on, random, set_gradients
from torch import Tensor
from torch.nn import Parameter


def test_tensors_only_eager_can_serve() -> None:
    """Subclasses, meta tensors, other layouts: correct through eager, and explain() names each with a reason."""

    class Tagged(Tensor):
        pass

    class TaggedParameter(Parameter):
        pass

    plain = parameters([4])[0]
    others = {
        "subclass": torch.nn.Parameter(random(4).as_subclass(Tagged)),
        "parameter_subclass": TaggedParameter(random(4)),
        "meta": Parameter(torch.zeros(4, device="meta")),
        "strided": Parameter(random(8)[::2]),
    }
    optimizer = CASES[-1].ours([("plain", plain), *others.items()])
    for p in (plain, *others.values()):
        p.grad = torch.ones_like(p)
    before = others["subclass"].detach().clone()
    optimizer.step()
    ran = ran_on(optimizer)
    assert ran["cpu"] == {"plain"}
    assert ran["eager"] == set(others)
    assert type(others["subclass"]) is type(torch.nn.Parameter(random(4).as_subclass(Tagged)))
    assert not torch.equal(others["subclass"], before)
    reasons = dict(optimizer.explain().engines["eager"])
    assert len(set(reasons.values())) >= 3, f"reasons say what is special: {reasons}"


def test_without_a_compiler() -> None:
    """llvmlite or Numba missing: the same numbers from eager, one warning a process; engine="cpu" insists."""
    script = """
import sys, warnings
sys.modules["llvmlite"] = sys.modules["numba"] = None
import torch, descend
found = []
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for engine in ("auto", "eager", "auto"):
        p = torch.nn.Parameter(torch.linspace(-1, 1, 50))
        p.grad = torch.linspace(2, -1, 50)
        optimizer = descend.AdamW([p], engine=engine)
        optimizer.step()
        optimizer.step()
        found.append(p.detach())
assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
print("WARNED", [str(w.message) for w in caught if issubclass(w.category, UserWarning)])
print("ENGINES", sorted(descend.AdamW([p]).explain().engines))
try:
    descend.AdamW([p], engine="cpu").step()
except RuntimeError as error:
    print("REFUSED", error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said = {line.split()[0]: line for line in done.stdout.splitlines() if line[:1].isupper()}
    assert said["WARNED"].count("Numba is not installed") == 1
    assert said["ENGINES"] == "ENGINES ['eager']"
    assert "engine='cpu'" in said["REFUSED"]


def test_explain() -> None:
    """The text names engines, tensors, bytes of state and the rule's equation."""
    params = parameters([(10, 10), 7], torch.bfloat16)
    optimizer = CASES[-1].ours(named(params), engine="auto")
    set_gradients(params, 0)
    optimizer.step()
    explanation = optimizer.explain()
    assert ran_on(optimizer) == {"cpu": {"p0", "p1"}}
    assert explanation.state_bytes == sum(t.numel() * t.element_size() for t in buffers(optimizer, params))
    text = str(explanation)
    for word in ("cpu", "p0", "p1", "p - lr"):
        assert word in text
    assert ran_on(CASES[-1].ours(named(params), engine="eager")) == {"eager": {"p0", "p1"}}
    with pytest.raises(ValueError, match=r"engine.*'gpu0'.*auto.*eager.*cpu"):
        CASES[-1].ours(named(params), engine="gpu0")
