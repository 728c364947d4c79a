"""`train.py:setup`, `package.module:setup`, `demo:NAME`: what they return, and what is said if they cannot be used."""

import sys
from pathlib import Path

import pytest
import torch

from descend.tools import demos, sources
from descend.tools.problem import Problem

TRAIN = """
import torch
from torch import nn
from neighbour import examples

assert __name__ != "__main__", "a script's own training must not start"

def setup():
    model = nn.Linear(3, 1)
    return model, examples(), nn.functional.mse_loss{more}

def needs(argument):
    pass

def raises():
    raise KeyError("no data here")

def odd():
    return {odd}
"""
NEIGHBOUR = """
import torch

def examples():
    x = torch.randn(8, 3)
    return [(x, x.sum(1, keepdim=True))]
"""


def write(folder: Path, more: str = "", odd: str = "1") -> str:
    (folder / "neighbour.py").write_text(NEIGHBOUR)
    file = folder / "train.py"
    file.write_text(TRAIN.format(more=more, odd=odd))
    return str(file)


@pytest.fixture(autouse=True)
def _no_modules_left():
    yield
    for name in ("neighbour", "descend_setup_train"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("more", ["", ", examples()"])
def test_a_file_beside_its_neighbours(tmp_path: Path, more: str):
    before, path = torch.get_rng_state(), list(sys.path)
    given = sources.resolve(f"{write(tmp_path, more)}:setup")
    assert torch.equal(torch.get_rng_state(), before)
    assert sys.path == path
    assert set(given) == {"name", "model", "loader", "loss_fn"} | ({"val"} if more else set())
    assert given["name"].endswith("train.py:setup")
    Problem(**given)
    again = sources.resolve(f"{write(tmp_path, more)}:setup")
    assert torch.equal(given["model"].weight, again["model"].weight), "the setup draws from a seed"


def test_a_module_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert sources.resolve("train:setup")["name"] == "train:setup"
    sys.modules.pop("train", None)


@pytest.mark.parametrize("name", list(demos.DEMOS))
def test_every_demo_is_a_source(name: str):
    given = sources.resolve(name)
    assert given["name"] == name
    assert given["steps"] > 0


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        ("nothing", sources.SourceError, "has no function 'nothing'; it has setup, needs, raises, odd"),
        ("needs", sources.SourceError, r"needs\(\) must work without arguments, but needs argument"),
        ("raises", sources.SetupFailed, r"raises\(\) raised KeyError: 'no data here'"),
        ("odd", sources.SourceError, "must return .* but returned a int"),
    ],
)
def test_functions_that_cannot_be_used(tmp_path: Path, function: str, error: type, message: str):
    with pytest.raises(error, match=message):
        sources.resolve(f"{write(tmp_path)}:{function}")


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ("nn.Linear(1, 1)", "returned a model alone"),
        ("(1, 2)", "returned a tuple of 2"),
        ("{'model': 1, 'lr': 2}", "returned the key 'lr'; the keys are model, loader"),
        ("{'loader': 1}", "a dict without 'model'"),
    ],
)
def test_returned_values_that_cannot_be_used(tmp_path: Path, odd: str, message: str):
    with pytest.raises(sources.SourceError, match=message):
        sources.resolve(f"{write(tmp_path, odd=odd)}:odd")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.py", "must be demo:NAME, FILE.py:FUNCTION or MODULE:FUNCTION"),
        (":setup", "must be demo:NAME"),
        ("nowhere/train.py:setup", "there is no file 'nowhere/train.py'"),
        ("no.such.module:setup", "No module named 'no'"),
        ("demo:nothing", "unknown demo 'demo:nothing'"),
    ],
)
def test_places_that_do_not_exist(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        sources.resolve(text)


def test_a_file_that_raises_when_it_is_imported(tmp_path: Path):
    file = tmp_path / "broken.py"
    file.write_text("import this_is_not_installed\n")
    with pytest.raises(sources.SetupFailed, match=r"importing broken.py raised ModuleNotFoundError") as caught:
        sources.resolve(f"{file}:setup")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert "descend_setup_broken" not in sys.modules
