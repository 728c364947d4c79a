"""Rows for the table of cases: Adadelta, Adamax, ASGD, NAdam, RAdam, Rprop. cases.py says what a case is.

Every option of every class is tried by some row; ASGD also with averaging that begins within the steps of a test.
"""

from typing import Any

import oracle_more as oracle
import pytest
import torch
from cases import Case, assert_close

import descend
from descend import rules

_FAMILY = {
    "Adadelta": (oracle.adadelta, rules.ADADELTA, ("step", "square_avg", "acc_delta")),
    "Adamax": (oracle.adamax, rules.ADAMAX, ("step", "exp_avg", "exp_inf")),
    "ASGD": (oracle.asgd, rules.ASGD, ("step", "eta", "mu", "ax")),
    "NAdam": (oracle.nadam, rules.NADAM, ("step", "mu_product", "exp_avg", "exp_avg_sq")),
    "RAdam": (oracle.radam, rules.RADAM, ("step", "exp_avg", "exp_avg_sq")),
    "Rprop": (oracle.rprop, rules.RPROP, ("step", "prev", "step_size")),
}


def _case(cls: str, variant: str, **kwargs: Any) -> Case:
    transcription, rule, state_keys = _FAMILY[cls]
    return Case(
        f"{cls}-{variant}", getattr(descend, cls), getattr(torch.optim, cls), transcription, rule, state_keys, kwargs
    )


MORE = (
    _case("Adadelta", "default"),
    _case("Adadelta", "odd", lr=0.3, rho=0.7, eps=1e-3),
    _case("Adadelta", "decay-maximize", lr=0.5, weight_decay=0.1, maximize=True),
    _case("Adamax", "default", lr=0.01),
    _case("Adamax", "odd", lr=0.03, betas=(0.4, 0.8), eps=1e-3),
    _case("Adamax", "decay-maximize", lr=0.01, weight_decay=0.1, maximize=True),
    _case("ASGD", "default", lr=0.05),
    _case("ASGD", "averaging", lr=0.1, lambd=0.02, alpha=0.6, t0=5),
    _case("ASGD", "averaging-at-once", lr=0.05, lambd=0.01, t0=0.0),
    _case("ASGD", "decay-maximize", lr=0.05, lambd=0.1, t0=3.5, weight_decay=0.1, maximize=True),
    _case("NAdam", "default", lr=0.01),
    _case("NAdam", "odd", lr=0.03, betas=(0.5, 0.8), eps=1e-4, momentum_decay=0.3),
    _case("NAdam", "decay-maximize", lr=0.01, weight_decay=0.1, maximize=True),
    _case("NAdam", "decoupled", lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
    _case("RAdam", "default", lr=0.01),
    _case("RAdam", "never-rectified", lr=0.01, betas=(0.6, 0.5), eps=1e-4),
    _case("RAdam", "decay-maximize", lr=0.01, betas=(0.9, 0.97), weight_decay=0.1, maximize=True),
    _case("RAdam", "decoupled", lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
    _case("Rprop", "default", lr=0.02),
    _case("Rprop", "odd", lr=0.05, etas=(0.3, 1.7), step_sizes=(0.01, 0.1)),
    _case("Rprop", "maximize", lr=0.01, maximize=True),
)

# One row per class, for what does not depend on options.
RICHEST_MORE = tuple(
    case
    for case in MORE
    if case.name.endswith("maximize") or case.name in ("ASGD-averaging", "NAdam-decoupled", "RAdam-decoupled")
)

# Classes that go on with the learning rate of before where torch has them; see test_more_learning_rates.py.
LATE_IN_TORCH = ("ASGD", "Rprop")

every_more = pytest.mark.parametrize("case", MORE, ids=str)
richest_more = pytest.mark.parametrize("case", RICHEST_MORE, ids=str)


def assert_same_training(ours: Any, theirs: Any, params: list[Any], twins: list[Any], limit: float) -> None:
    """Parameters; state by key, dtype, shape and value; group options."""
    assert_close(params, twins, limit, "parameter")
    for p, q in zip(params, twins, strict=True):
        assert list(ours.state.get(p, {})) == list(theirs.state.get(q, {}))
        for key, value in theirs.state.get(q, {}).items():
            mine = ours.state[p][key]
            assert (mine.dtype, mine.shape) == (value.dtype, value.shape), key
            assert_close([mine], [value], limit, key)
    for group, other in zip(ours.param_groups, theirs.param_groups, strict=True):
        assert {k: v for k, v in group.items() if k != "params"} == {k: v for k, v in other.items() if k != "params"}
        assert list(group) == list(other)
