"""The quick reference: complete, in agreement with the classes it speaks of, and printed as what it is printed to."""

import argparse
import inspect
import io
import json
from typing import Any

import pytest
import torch

import descend
from descend.tools import quickref
from descend.tools.quickref import TABLE, Reference

each_entry = pytest.mark.parametrize("entry", TABLE.values(), ids=TABLE)

# Where the user's document says to begin: its table of rates, and what it says of Adam.
DOCUMENT = {"sgd": (0.1, 0.01, 0.001), "adagrad": (0.01,), "rmsprop": (0.001,), "adam": (0.001,)}


def table(*words: str) -> tuple[int, str, list[str]]:
    """`descend table WORDS`: exit code, stdout, complaints."""
    parser = argparse.ArgumentParser()
    quickref.add_arguments(parser)
    out: io.StringIO = io.StringIO()
    complaints: list[str] = []
    return quickref.run(parser.parse_args(words), out, complaints.append), out.getvalue(), complaints


def trained(entry: Reference, shape: tuple[int, int]) -> torch.optim.Optimizer:
    """The optimizer after enough steps on one matrix that all of its state is there."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(shape))
    optimizer = entry.optimizer([weight], lr=1e-3, **entry.options)  # type: ignore[call-arg]

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (weight**4).sum()
        loss.backward()
        if entry.name == "sparseadam":
            assert weight.grad is not None
            weight.grad = weight.grad.to_sparse()
        return loss

    if entry.name == "lbfgs":
        optimizer.step(closure)  # type: ignore[arg-type]
    else:
        closure()
        optimizer.step()
    return optimizer


def tensor_bytes(value: Any, at_least: int) -> int:
    """Bytes of all tensors in a state with more than a number in them."""
    if isinstance(value, torch.Tensor):
        return value.nbytes if value.numel() >= at_least else 0
    if isinstance(value, dict):
        return sum(tensor_bytes(v, at_least) for v in value.values())
    return sum(tensor_bytes(v, at_least) for v in value) if isinstance(value, (list, tuple)) else 0


def test_every_optimizer_of_the_package_is_in_the_table() -> None:
    found = [getattr(descend, name) for name in descend.__all__]
    classes = [c for c in found if isinstance(c, type) and issubclass(c, torch.optim.Optimizer)]
    exported = {c.__name__ for c in classes if c is not descend.Optimizer}
    assert {entry.cls for entry in TABLE.values()} == exported
    assert all(name == entry.name == entry.cls.lower() for name, entry in TABLE.items())


@each_entry
def test_defaults_are_those_of_the_signatures(entry: Reference) -> None:
    assert entry.default_lr == inspect.signature(entry.optimizer).parameters["lr"].default
    assert entry.default_lr == inspect.signature(getattr(torch.optim, entry.cls)).parameters["lr"].default


@each_entry
def test_the_line_to_paste_builds_what_the_entry_says(entry: Reference) -> None:
    model = torch.nn.Linear(3, 2, bias=False)
    optimizer = eval(quickref.call(entry), {"descend": descend, "model": model})
    assert type(optimizer) is entry.optimizer
    (group,) = optimizer.param_groups
    assert group["lr"] == entry.start_lr == entry.start_lrs[0]
    assert {key: group[key] for key in entry.options} == dict(entry.options)


@each_entry
def test_entries_are_complete(entry: Reference) -> None:
    assert entry.fits.endswith(".")
    assert entry.tune.endswith(".")
    assert entry.source
    assert entry.equation
    assert all(lr > 0 for lr in entry.start_lrs)
    assert quickref.costs()["relative"][entry.name] > 0


def test_costs_are_relative_to_sgd() -> None:
    costs = quickref.costs()
    assert list(costs["relative"]) == list(TABLE)
    assert costs["relative"]["sgd"] == 1
    assert "torch" in costs["machine"]


@each_entry
def test_state_takes_the_bytes_that_the_table_says(entry: Reference) -> None:
    """A matrix of 64 x 64: small numbers of a step (counts, rates) are left out on both sides."""
    rows, columns = 64, 64
    real = tensor_bytes(dict(trained(entry, (rows, columns)).state), at_least=rows)
    if entry.name == "adafactor":
        assert real == 4 * (rows + columns)
        assert quickref.state_bytes(entry) == pytest.approx(4 * 2048 / 1024**2, abs=1e-4), "1024 x 1024, four digits"
    elif entry.name == "lbfgs":
        history = inspect.signature(entry.optimizer).parameters["history_size"].default
        # Beside the vectors there are products of the pairs: some 0.2 bytes a parameter at 1024 x 1024.
        assert quickref.state_bytes(entry) == pytest.approx(4 * (2 * history + 5), abs=0.5)
        assert real <= descend.memory([torch.empty(rows, columns)], entry.optimizer, **entry.options).state
    else:
        assert real == quickref.state_bytes(entry) * rows * columns


def test_the_start_rates_of_the_document() -> None:
    assert {name: TABLE[name].start_lrs for name in DOCUMENT} == DOCUMENT
    assert TABLE["sgd"].options == {"momentum": 0.9}
    assert "usually converges fast" in TABLE["adam"].fits


def test_fixed_rates_are_only_where_a_line_search_chooses() -> None:
    assert {name: entry.rates for name, entry in TABLE.items() if entry.rates} == {"lbfgs": (1.0,)}
    assert TABLE["lbfgs"].options == {"line_search_fn": "strong_wolfe"}


def test_the_table_is_plain_when_it_is_piped() -> None:
    code, printed, complaints = table()
    assert (code, complaints) == (0, [])
    assert "\x1b" not in printed
    for entry in TABLE.values():
        (row,) = [line for line in printed.splitlines() if line.split()[:1] == [entry.name] and entry.fits not in line]
        assert f"{entry.default_lr:.3g}" in row
        assert entry.fits in printed
    assert max(map(len, printed.splitlines())) <= 130


@each_entry
def test_a_page_says_everything(entry: Reference) -> None:
    code, printed, _ = table(entry.cls)
    assert code == 0
    words = " ".join(printed.split())
    for part in (quickref.call(entry), entry.equation, entry.fits, entry.tune, entry.source):
        assert " ".join(part.split()) in words
    assert max(map(len, printed.splitlines()[4 + len(entry.equation.splitlines()) :])) <= 100
    assert "\x1b" not in printed
    _, markdown, _ = table(entry.name, "--md")
    assert markdown.startswith(f"# {entry.cls}\n")
    assert entry.fits in markdown


def test_json_is_what_the_entries_are() -> None:
    everything = json.loads(table("--json")[1])
    assert [values["name"] for values in everything] == list(TABLE)
    one = json.loads(table("muon", "--json")[1])
    assert one == everything[list(TABLE).index("muon")]
    assert one["options"] == {"adjust_lr_fn": "match_rms_adamw"}
    assert one["fixed_rates"] is None


def test_markdown_is_a_table_with_a_row_for_each() -> None:
    rows = [line for line in table("--md")[1].splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(TABLE)
    assert len({row.count("|") for row in rows}) == 1


def test_an_unknown_name_says_what_was_meant() -> None:
    code, printed, (complaint,) = table("adamx")
    assert (code, printed) == (2, "")
    assert "'adamx'" in complaint
    assert "did you mean 'adam" in complaint
    assert all(name in complaint for name in TABLE)
    with pytest.raises(SystemExit):
        table("adam", "--md", "--json")
