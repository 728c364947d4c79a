"""Adadelta, Adamax, ASGD, NAdam, RAdam, Rprop: torch's own table of configurations and refusals.

What torch refuses is refused in its words first; then the nonsense that it lets pass.
"""

import re
import warnings
from typing import Any

import pytest
import torch
from cases import Case, assert_unchanged, copies, every_engine, parameters, snapshot, train
from cases_more import RICHEST_MORE, assert_same_training, richest_more

import descend

NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def optim_db() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_optimizers import optim_db as table
    return {info.optim_cls.__name__: info for info in table}


@every_engine
@richest_more
def test_configurations_of_torch(optim_db: dict[str, Any], case: Case, engine: str) -> None:
    info = optim_db[case.cls.__name__]
    configurations = info.optim_inputs_func(device="cpu", dtype=torch.float32)
    assert len(configurations) >= 5
    for given in configurations:
        for hint in ({}, {"foreach": True}, {"foreach": False}):
            for dtype in (torch.float32, torch.float64):
                params = parameters([(5, 4), 3], dtype)
                twins = copies(params)
                ours = case.cls(params, **given.kwargs, **hint, engine=engine)
                theirs = info.optim_cls(twins, **given.kwargs, **hint)
                train(ours, params, 10)
                train(theirs, twins, 10)
                limit = 2e-6 if dtype == torch.float32 else 1e-12
                if case.cls.__name__ == "ASGD" and hint.get("foreach"):
                    limit = 2e-6  # here torch computes eta in float32, whatever the parameter
                assert_same_training(ours, theirs, params, twins, limit)


@richest_more
def test_refusals_of_torch(optim_db: dict[str, Any], case: Case) -> None:
    errors = optim_db[case.cls.__name__].optim_error_inputs_func("cpu", torch.float32)
    assert len(errors) >= 7
    for error in errors:
        given = error.optimizer_error_input
        params = given.params if given.params is not None else parameters([(1, 1)])
        if issubclass(error.error_type, Warning):
            with pytest.warns(error.error_type, match=error.error_regex):
                case.cls(params, **given.kwargs)
            continue
        with pytest.raises(error.error_type) as caught:
            optimizer = case.cls(params, **given.kwargs)
            if error.error_on.name == "STEP_ERROR":
                optimizer.step()
        assert re.search(error.error_regex, str(caught.value)), given.desc


TORCH_REFUSES: dict[str, list[Any]] = {
    "lr": [-0.1, torch.tensor([0.1, 0.1])],
    "weight_decay": [-0.1],
    "eps": [-1e-8],
    "rho": [1.1, -0.1],
    "betas": [(1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (0.9, 2.0)],
    "momentum_decay": [-0.2],
    "etas": [(1.0, 0.5), (0.0, 1.2), (0.5, 1.0), (-0.5, 1.2)],
}
NONSENSE: dict[str, list[Any]] = {
    "lr": [NAN, INF, torch.tensor(NAN), "0.1", None],
    "weight_decay": [NAN, INF, "0"],
    "eps": [NAN, INF],
    "rho": [NAN, "0.9"],
    "betas": [(NAN, 0.9), (0.9, NAN), (0.9,), 0.9],
    "momentum_decay": [NAN, INF],
    "lambd": [-1, NAN, INF],
    "alpha": [-0.5, NAN],
    "t0": [-5, NAN, -INF],
    "etas": [(NAN, 1.2), (0.5, NAN), (0.5, INF), (0.5,), 0.5, ("0.5", 1.2)],
    "step_sizes": [(50, 1e-6), (-1.0, 1.0), (NAN, 1.0), (0.1, NAN), (INF, INF), (1.0,), 1.0],
}


def rows(table: dict[str, list[Any]]) -> list[Any]:
    return [(case, key, value) for case in RICHEST_MORE for key in table if key in case.hyper for value in table[key]]


@pytest.mark.parametrize(("case", "key", "value"), rows(TORCH_REFUSES), ids=str)
def test_torch_s_words_come_first(case: Case, key: str, value: Any) -> None:
    messages = []
    for cls in (case.torch_cls, case.cls):
        with pytest.raises(ValueError, match=r"Invalid|must be 1-element") as caught:
            cls(parameters([3]), **{key: value})
        messages.append(str(caught.value))
    assert messages[1].startswith(messages[0])
    assert len(messages[1]) > len(messages[0])


@pytest.mark.parametrize(("case", "key", "value"), rows(NONSENSE), ids=str)
def test_nonsense_is_refused_wherever_it_comes_from(case: Case, key: str, value: Any) -> None:
    """In the constructor, in a group, in a later group, written into a group: nothing has changed then."""
    match = {"lr": "learning rate", "betas": "beta"}.get(key, key)
    with pytest.raises((ValueError, TypeError), match=match):
        case.ours(parameters([3]), **{key: value})
    params = parameters([3, 4])
    optimizer = case.ours(params)
    with pytest.raises((ValueError, TypeError), match=match):
        optimizer.add_param_group({"params": parameters([5]), key: value})
    assert len(optimizer.param_groups) == 1
    train(optimizer, params, 2)
    optimizer.param_groups[0][key] = value
    before = snapshot(optimizer)
    with pytest.raises((ValueError, TypeError), match=match):
        optimizer.step()
    assert_unchanged(optimizer, before)


def test_what_has_a_meaning_is_allowed() -> None:
    """ASGD that never averages, Rprop without an upper bound, limits included."""
    for make in (
        lambda ps: descend.ASGD(ps, t0=INF),
        lambda ps: descend.Rprop(ps, step_sizes=(0, INF)),
        lambda ps: descend.Rprop(ps, step_sizes=[0.01, 0.01], etas=[0.5, 1.2]),
        lambda ps: descend.Adadelta(ps, rho=1),
        lambda ps: descend.NAdam(ps, betas=(0, 0.999)),
    ):
        params = parameters([70])
        optimizer = make(params)
        train(optimizer, params, 3)
        assert params[0].isfinite().all()


def test_capturable_on_the_cpu_names_what_torch_names() -> None:
    for name, words in {
        "NAdam": "params, mu_products, and state_steps",
        "ASGD": "params, mus, etas, and state_steps",
        "RAdam": "params and state_steps",
    }.items():
        p = torch.nn.Parameter(torch.ones(2))
        p.grad = torch.ones(2)
        with pytest.raises(AssertionError, match=f"If capturable=True, {words} must be on supported devices"):
            getattr(descend, name)([p], capturable=True).step()
        assert torch.equal(p, torch.ones(2))


@pytest.mark.parametrize("name", ["NAdam", "ASGD"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
def test_numbers_that_torch_cast_on_loading_do_not_send_us_to_eager(name: str, dtype: torch.dtype) -> None:
    p, q = (torch.nn.Parameter(torch.ones(3, dtype=dtype)) for _ in range(2))
    p.grad = q.grad = torch.full((3,), 0.5, dtype=dtype)
    theirs = getattr(torch.optim, name)([p])
    theirs.step()
    theirs.load_state_dict(theirs.state_dict())  # casts mu_product, eta and mu to the parameter's dtype
    ours = getattr(descend, name)([q], engine="cpu")
    ours.load_state_dict(theirs.state_dict())
    ours.step()
    assert list(ours.explain(quiet=True).engines) == ["cpu"]
    for key in ours.rule.numbers:
        assert ours.state[q][key].dtype == torch.float32
