"""State in checkpoints: kept live in `optimizer.state` between steps, and translated from and to torch.optim's.

All of a solver stands in the state of the first parameter, as torch's does: `func_evals` and `n_iter`, the vectors of
each bucket (`history`, `x`, and `vectors` with direction and gradient; `history.1` and so on for further buckets), the
history's small matrices in `algebra`, and plain numbers in `scalars`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .solver import Solver

NUMBERS = (
    "f", "largest", "known", "pending", "t", "largest_ever", "restarted", "pending_length", "loss_eps",
)  # fmt: skip


def keep(state: dict[str, Any], solver: Solver) -> None:
    """Put the solver into the state; tensors are the live ones."""
    history = solver.history
    state["func_evals"], state["n_iter"] = solver.func_evals, solver.n_iter
    for key in [key for key in state if key not in ("func_evals", "n_iter")]:
        del state[key]
    for i, bucket in enumerate(solver.buckets):
        end = f".{i}" if i else ""
        state[f"history{end}"], state[f"x{end}"], state[f"vectors{end}"] = bucket.history, bucket.x, bucket.base
    state["algebra"] = history.algebra
    state["scalars"] = {
        **{name: getattr(solver, name) for name in NUMBERS},
        "order": list(history.order),
        "spare": history.spare,
        "gamma": history.gamma,
        "products": history.products.tolist(),
    }


def restore(state: dict[str, Any], solver: Solver, before: Solver | None) -> None:
    """Continue from what the state holds, if it fits; otherwise from the counters alone.

    Args:
        state: of the first parameter.
        solver: new, at the parameters' values.
        before: a solver of the same optimizer whose parameters, rates or bounds have changed since: its history, which
            the state holds, is of another problem.
    """
    if before is not None:
        solver.func_evals, solver.n_iter = before.func_evals, before.n_iter
        return
    solver.func_evals, solver.n_iter = int(state.get("func_evals", 0)), int(state.get("n_iter", 0))
    if "old_dirs" in state:
        _from_torch(state, solver)
    elif "scalars" in state:
        _resume(state, solver)


def _resume(state: dict[str, Any], solver: Solver) -> None:
    scalars = state["scalars"]
    ends = ["" if i == 0 else f".{i}" for i in range(len(solver.buckets))]
    fits = all(
        f"x{end}" in state and state[f"x{end}"].numel() == bucket.n
        for end, bucket in zip(ends, solver.buckets, strict=True)
    )
    if not fits:
        raise ValueError(
            "the state of LBFGS does not fit the parameters: "
            f"{[state[f'x{e}'].numel() if f'x{e}' in state else 0 for e in ends]} elements were saved, "
            f"there are {[bucket.n for bucket in solver.buckets]}"
        )
    histories = []
    for end, bucket in zip(ends, solver.buckets, strict=True):
        histories.append(state[f"history{end}"].detach().to(bucket.device, bucket.dtype, copy=True).contiguous())
        bucket.x.copy_(state[f"x{end}"])
        bucket.base.copy_(state[f"vectors{end}"])
    algebra = state["algebra"].detach().to("cpu", torch.float64, copy=True)
    solver.history.adopt(histories, algebra, scalars["order"], scalars["spare"], scalars["gamma"])
    solver.history.products[:] = scalars["products"]
    solver.history.size = max(solver.history.size, len(scalars["order"]))
    for name in NUMBERS:
        setattr(solver, name, scalars[name])
    solver.known = False  # what the closure returned is not in a checkpoint


def _from_torch(state: dict[str, Any], solver: Solver) -> None:
    """A checkpoint of torch.optim.LBFGS: pairs, and the last move, whose y is not known yet."""
    if state.get("d") is None or state.get("prev_flat_grad") is None:
        return
    history = solver.history
    bounds = [0]
    for bucket in solver.buckets:
        bounds.append(bounds[-1] + bucket.n)
    if state["d"].numel() != bounds[-1] or len(solver.buckets) != 1:
        raise ValueError(
            f"the state of torch.optim.LBFGS has {state['d'].numel()} elements in one flat vector, the parameters "
            f"{bounds[-1]} on {len(solver.buckets)} devices or precisions"
        )
    bucket = solver.buckets[0]
    pairs = list(zip(state["old_stps"], state["old_dirs"], strict=True))[-history.size :]
    for s, y in pairs:
        j = history.spare
        bucket.row[2 * j].copy_(s)
        bucket.row[2 * j + 1].copy_(y)
        sy, yy = float(bucket.row[2 * j].double() @ y.to(bucket.device).double()), float(y.double() @ y.double())
        products = torch.mv(bucket.used.double(), bucket.row[2 * j + 1].double()).cpu().numpy()
        full = history.products * 0
        full[: bucket.rows] = products
        history.add(sy, yy, math.sqrt(float(s.double() @ s.double())), full)
        history.make_room()
    if state.get("H_diag") is not None:
        history.gamma = float(state["H_diag"])
    bucket.d.copy_(state["d"])
    bucket.g0.copy_(state["prev_flat_grad"])
    torch.mv(bucket.used, bucket.g0, out=bucket.out_products)
    history.products[:] = solver.read()[-2 * history.slots :]
    solver.t = float(state["t"])
    solver.f = solver.sign * float(state["prev_loss"])
    # torch forms the pair of its last move at the next step, whether or not that was a search.
    solver.pending = True
    solver.pending_length = math.sqrt(float(bucket.d.double() @ bucket.d.double()))


def as_torch(state_dict: dict[str, Any], size: int) -> dict[str, Any]:
    """A state dict of descend in torch.optim.LBFGS's layout, to be loaded there.

    Args:
        state_dict: of descend.
        size: the history_size, torch's list of that many places.

    Raises:
        ValueError: torch has no such optimizer: several groups, devices or precisions.
    """
    groups = state_dict["param_groups"]
    if len(groups) > 1 or any("history.1" in state for state in state_dict["state"].values()):
        raise ValueError("torch.optim.LBFGS knows one parameter group, on one device and in one precision")
    ours = {"bounds", "maximize", "rtol", "reuse_eval"}
    group = {key: value for key, value in groups[0].items() if key not in ours}
    if group["line_search_fn"] is not None:
        group["line_search_fn"] = "strong_wolfe"
    return {
        "state": {key: _state_as_torch(state, size) for key, state in state_dict["state"].items()},
        "param_groups": [group],
    }


def _state_as_torch(state: dict[str, Any], size: int) -> dict[str, Any]:
    result: dict[str, Any] = {"func_evals": state["func_evals"], "n_iter": state["n_iter"]}
    scalars = state.get("scalars")
    if scalars is None or state["n_iter"] == 0:
        return result
    rows, slots = state["history"], list(scalars["order"])
    d, gradient = (row.clone() for row in state["vectors"].unbind(0))
    steps = [rows[2 * j].clone() for j in slots]
    changes = [rows[2 * j + 1].clone() for j in slots]
    t = scalars["t"]
    if not scalars["pending"] and slots:
        # torch will form the pair of its last move anew: give it that of ours, with the gradient before it.
        gradient = gradient - changes[-1]
        d, t = steps[-1].clone(), 1.0
        steps, changes = steps[:-1], changes[:-1]
    ratios: list[Tensor] = [1.0 / y.dot(s) for s, y in zip(steps, changes, strict=True)]
    return {
        **result,
        "d": d,
        "t": t,
        "old_dirs": changes,
        "old_stps": steps,
        "ro": ratios,
        "H_diag": changes[-1].dot(steps[-1]) / changes[-1].dot(changes[-1]) if changes else 1,
        "prev_flat_grad": gradient,
        "prev_loss": scalars["f"],
        "al": [None] * size,
    }
