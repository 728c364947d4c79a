"""`descend.define`: a rule of one's own becomes an optimizer with every engine, group option, checkpoint and refusal.

Lion as README writes it, against a transcription of the paper that shares no code with it.
"""

import copy
import inspect
import pickle
from typing import Any

import oracle
import pytest
import torch
from cases import (
    DTYPES,
    assert_close,
    assert_same_bits,
    assert_unchanged,
    buffers,
    copies,
    every_engine,
    parameters,
    ran_on,
    set_gradients,
    snapshot,
    train,
)

import descend
from descend.rules.ops import abs, sign


def lion(p, g, exp_avg, *, lr, w1, w2):  # type: ignore[no-untyped-def]
    """Lion (Chen et al. 2023, arXiv:2302.06675, Alg. 2)."""
    p = p - lr * sign(exp_avg + w1 * (g - exp_avg))
    return p, exp_avg + w2 * (g - exp_avg)


def scalars(t, *, lr, betas, **_):  # type: ignore[no-untyped-def]
    return dict(lr=lr, w1=1 - betas[0], w2=1 - betas[1])


LION = descend.Rule(lion, scalars, dict(exp_avg=descend.Buffer()))
Lion = descend.define(LION, lr=1e-4, betas=(0.9, 0.99), decoupled_weight_decay=True)


def heavy_ball(p, g, velocity, scale, *, lr, mu):  # type: ignore[no-untyped-def]
    """v <- mu v + g;  s <- s + |g|;  p <- p - lr v / s."""
    velocity = mu * velocity + g
    if scale is not None:
        scale = scale + abs(g)
        direction = velocity / scale
    else:
        direction = velocity
    return p - lr * direction, velocity, scale


def heavy_scalars(t, *, lr, mu, warmup):  # type: ignore[no-untyped-def]
    return dict(lr=lr * min(1.0, t / warmup), mu=mu)


HeavyBall = descend.define(
    descend.Rule(
        heavy_ball, heavy_scalars, dict(velocity=descend.Buffer(), scale=descend.Buffer(when="scaled", init="start"))
    ),
    lr=0.1, mu=0.9, warmup=4, scaled=False, start=1.0,
)  # fmt: skip

OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "options": dict(lr=0.01, betas=(0.5, 0.8)),
    "decay": dict(lr=0.01, weight_decay=0.1),
    "maximize": dict(lr=0.01, weight_decay=0.1, maximize=True),
}


@every_engine
@pytest.mark.parametrize("options", OPTIONS)
def test_lion_is_the_paper(options: str, engine: str) -> None:
    """Float64, 20 steps, 1e-12."""
    (p,) = parameters([23], torch.float64)
    start, gradients = p.tolist(), []
    optimizer = Lion([("p", p)], engine=engine, **OPTIONS[options])
    for step in range(20):
        set_gradients([p], step)
        gradients.append(p.grad.tolist())
        optimizer.step()
    path, state = oracle.lion(start, gradients, **OPTIONS[options])
    assert_close([p], [torch.tensor(path[-1], dtype=torch.float64)], 1e-12)
    assert_close([optimizer.state[p]["exp_avg"]], [torch.tensor(state["exp_avg"], dtype=torch.float64)], 1e-12)
    assert ran_on(optimizer) == {engine: {"p"}}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_engines_agree(dtype: torch.dtype) -> None:
    for make in (Lion, HeavyBall, lambda ps, **k: HeavyBall(ps, scaled=True, start=2.0, weight_decay=0.1, **k)):
        params = parameters([(5, 7), 65, 0, ()], dtype)
        twins = copies(params)
        cpu, eager = make(params, engine="cpu"), make(twins, engine="eager")
        train(cpu, params, 6)
        train(eager, twins, 6)
        assert set(ran_on(cpu)) == {"cpu"}
        assert_same_bits([*params, *buffers(cpu, params)], [*twins, *buffers(eager, twins)])


def test_buffers_scalars_and_step_count() -> None:
    """`when`, `init` by a hyperparameter, and t counted from 1 for each parameter."""
    params = parameters([3, 4], torch.float64)
    optimizer = HeavyBall([{"params": params[:1]}, {"params": params[1:], "scaled": True, "start": 5.0}])
    v, s, p = 0.0, 5.0, params[1].tolist()[0]
    for t in range(1, 7):
        set_gradients(params, t)
        g = params[1].grad.tolist()[0]
        v, s = 0.9 * v + g, s + abs(g)
        p -= 0.1 * min(1.0, t / 4) * v / s
        optimizer.step()
        assert params[1].tolist()[0] == pytest.approx(p, rel=1e-13)
    assert set(optimizer.state[params[0]]) == {"step", "velocity"}
    assert set(optimizer.state[params[1]]) == {"step", "velocity", "scale"}
    assert optimizer.state[params[1]]["step"] == 6


def test_the_class() -> None:
    options = inspect.signature(Lion).parameters
    assert {"lr", "betas", "weight_decay", "maximize", "engine"} <= set(options)
    assert (options["lr"].default, options["betas"].default, options["weight_decay"].default) == (
        1e-4,
        (0.9, 0.99),
        0.0,
    )
    assert issubclass(Lion, descend.Optimizer)
    assert Lion.__name__.lower() == "lion"
    assert "2302.06675" in (Lion.__doc__ or "")
    optimizer = Lion(parameters([3]))
    assert repr(optimizer).startswith(Lion.__name__)
    assert "2302.06675" in str(optimizer.explain())
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["maximize"], group["weight_decay"]) == (1e-4, (0.9, 0.99), False, 0.0)


def test_a_misspelled_hyperparameter_is_refused_with_the_known_names() -> None:
    for bad in ("learning_rate", "beta", "momentum"):
        with pytest.raises((TypeError, ValueError), match=rf"(?s)(?=.*\b{bad}\b)(?=.*\blr\b)(?=.*\bbetas\b)"):
            Lion(parameters([3]), **{bad: 0.1})
    with pytest.raises((TypeError, ValueError), match=r"(?s)(?=.*learning_rate)(?=.*\blr\b)"):
        Lion([{"params": parameters([3]), "learning_rate": 0.1}])
    with pytest.raises((TypeError, ValueError), match=r"(?s)(?=.*betas)"):
        descend.define(LION, lr=1e-4)  # a hyperparameter that scalars() needs has no default


@every_engine
def test_bad_values(engine: str) -> None:
    for bad in (dict(lr=-1.0), dict(lr=float("nan")), dict(weight_decay=-0.1)):
        with pytest.raises(ValueError, match=r"(?i)invalid"):
            Lion(parameters([3]), engine=engine, **bad)
    params = parameters([3, 4])
    optimizer = Lion(params, engine=engine)
    train(optimizer, params, 2)
    optimizer.param_groups[0]["lr"] = float("nan")
    before = snapshot(optimizer)
    with pytest.raises(ValueError, match="nan"):
        optimizer.step()
    assert_unchanged(optimizer, before)


@every_engine
@pytest.mark.parametrize("how", ["deepcopy", "pickle", "state_dict"])
def test_copies_continue(how: str, engine: str) -> None:
    params = parameters([(3, 4), 65])
    optimizer = Lion([{"params": params[:1]}, {"params": params[1:], "lr": 0.01}], engine=engine)
    train(optimizer, params, 3)
    if how == "state_dict":
        twins = copies(params)
        twin = Lion([{"params": twins[:1]}, {"params": twins[1:]}], engine=engine)
        twin.load_state_dict(optimizer.state_dict())
    else:
        both = (optimizer, params)
        twin, twins = copy.deepcopy(both) if how == "deepcopy" else pickle.loads(pickle.dumps(both))
    train(optimizer, params, range(3, 6))
    train(twin, twins, range(3, 6))
    assert type(twin) is Lion
    assert_same_bits([*params, *buffers(optimizer, params)], [*twins, *buffers(twin, twins)])


@every_engine
def test_the_shell_comes_with_it(engine: str) -> None:
    """Schedulers, hooks, closures, groups: define() gives a full optimizer."""
    params = parameters([3, 4])
    optimizer, calls = Lion(params[:1], lr=0.1, engine=engine), []
    optimizer.add_param_group({"params": params[1:], "lr": 0.2})
    optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append(o.param_groups[1]["lr"]))
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    for step in range(3):
        set_gradients(params, step)
        optimizer.step(lambda: 1.0)
        schedule.step()
    assert calls == pytest.approx([0.2, 0.1, 0.05])


def test_a_definition_may_be_repeated() -> None:
    """Two definitions of one rule with other defaults do not disturb each other."""
    Careful = descend.define(LION, lr=1e-6, betas=(0.95, 0.98), decoupled_weight_decay=False)
    assert Careful(parameters([3])).param_groups[0]["lr"] == 1e-6
    assert Lion(parameters([3])).param_groups[0]["lr"] == 1e-4
    params = parameters([5], torch.float64)
    twins = copies(params)
    with_decay, l2 = Lion(params, lr=0.1, weight_decay=0.5), Careful(twins, lr=0.1, weight_decay=0.5)
    train(with_decay, params, 1)
    train(l2, twins, 1)
    assert not torch.equal(params[0], twins[0])  # decoupled decay shrinks the parameter, L2 only turns the sign
