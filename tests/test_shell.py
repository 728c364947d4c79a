"""What surrounds the mathematics: hooks, closures, groups, copies, profiler, and users who reach into an optimizer.

The contract is torch.optim's own behaviour, so wherever possible the expectation comes from torch.
"""

import copy
import inspect
import pickle
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import (
    Case,
    assert_close,
    assert_same_bits,
    assert_unchanged,
    buffers,
    copies,
    every_case,
    every_engine,
    parameters,
    random,
    richest_cases,
    set_gradients,
    snapshot,
    train,
)
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import descend

ADAM = {"lr": 0.01}


def adam(params: Any, **options: Any) -> Any:
    return descend.Adam(params, **{**ADAM, **options})


# Construction


@every_case
def test_looks_like_torch(case: Case) -> None:
    """isinstance, defaults, group keys and values, repr, state after construction."""
    ours, theirs = case.ours(parameters([3, 4])), case.theirs(parameters([3, 4]))
    assert isinstance(ours, torch.optim.Optimizer)
    assert isinstance(ours, descend.Optimizer)
    assert list(ours.defaults.items()) == list(theirs.defaults.items())
    assert [list(g) for g in ours.param_groups] == [list(g) for g in theirs.param_groups]
    assert repr(ours) == repr(theirs)
    assert type(ours.state) is type(theirs.state)
    if case.torch_cls is not torch.optim.Adagrad:  # torch's Adagrad allocates in the constructor; ours may wait
        assert len(ours.state) == len(theirs.state)
    assert ours.state_dict()["param_groups"] == theirs.state_dict()["param_groups"]


@richest_cases
def test_signature(case: Case) -> None:
    """torch's parameters: names, order, defaults, kinds; ours come after them and are keyword-only."""
    ours, theirs = (list(inspect.signature(cls).parameters.values()) for cls in (case.cls, case.torch_cls))
    extra = [p for p in ours if p.name not in {q.name for q in theirs}]
    assert [(p.name, p.default, p.kind) for p in ours if p not in extra] == [
        (q.name, q.default, q.kind) for q in theirs
    ]
    assert "engine" in {p.name for p in extra}
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in extra)
    for name in ("step", "zero_grad", "add_param_group", "load_state_dict", "state_dict"):
        mine, wanted = (inspect.signature(getattr(cls, name)).parameters for cls in (case.cls, case.torch_cls))
        assert [(p.name, p.default, p.kind) for p in mine.values() if p.name != "format"] == [
            (p.name, p.default, p.kind) for p in wanted.values()
        ]
    assert (case.cls.__doc__ or "").count("Args:") == 1


@richest_cases
def test_hints_are_accepted(case: Case) -> None:
    """foreach, fused and capturable select torch's implementations; here they change no number."""
    reference = parameters([(3, 4), 5])
    train(case.ours(reference), reference, 3)
    for hint in ({"foreach": True}, {"foreach": False}, {"fused": True}, {"fused": False}):
        if next(iter(hint)) not in case.hyper:
            continue
        params = parameters([(3, 4), 5])
        optimizer = case.ours(params, **hint)
        assert optimizer.param_groups[0][next(iter(hint))] == next(iter(hint.values()))
        train(optimizer, params, 3)
        assert_same_bits(params, reference)
        assert getattr(optimizer, "_step_supports_amp_scaling", False) == bool(hint.get("fused"))


@every_case
def test_capturable_is_refused_on_cpu_as_torch_does(case: Case) -> None:
    if "capturable" not in case.hyper:
        pytest.skip("torch offers no capturable here")
    messages = []
    for make in (case.theirs, case.ours):
        params = parameters([3, 4])
        optimizer = make(params, capturable=True)
        before = snapshot(optimizer)
        set_gradients(params, 0)
        with pytest.raises(AssertionError) as caught:
            optimizer.step()
        messages.append(str(caught.value))
    assert messages[1].startswith(messages[0].split("[")[0])
    assert_same_bits([p.detach() for p in params], before[0], "a refused step moved a parameter")


def test_named_parameters_and_groups() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    for cls in (descend.Adam, torch.optim.Adam):
        optimizer = cls(model.named_parameters())
        assert optimizer.param_groups[0]["param_names"] == [name for name, _ in model.named_parameters()]
        assert all(isinstance(p, Parameter) for p in optimizer.param_groups[0]["params"])
        optimizer.add_param_group({"params": [("late", Parameter(torch.zeros(2)))], "lr": 0.5})
        assert optimizer.param_groups[1]["param_names"] == ["late"]
        assert optimizer.param_groups[1]["lr"] == 0.5
    given = {"params": iter([Parameter(torch.zeros(1))]), "lr": 0.1}
    optimizer = adam([Parameter(torch.zeros(1))])
    optimizer.add_param_group(given)
    assert set(optimizer.param_groups[1]) == set(optimizer.param_groups[0])
    optimizer.add_param_group({"params": Parameter(torch.zeros(1)), "name": "head", "initial_lr": 0.1, "lr_scale": 0.5})
    assert optimizer.param_groups[2]["name"] == "head"  # keys of a user's own are kept


@every_engine
def test_zero_grad(engine: str) -> None:
    params = parameters([3, 4])
    optimizer = adam(params, engine=engine)
    params[0].grad = torch.ones(3)
    kept = params[0].grad
    optimizer.zero_grad(set_to_none=False)
    assert params[0].grad is kept
    assert kept.eq(0).all()
    assert params[1].grad is None
    optimizer.zero_grad()
    assert params[0].grad is None


# Hooks and closures


class Doubling(descend.Adam):
    """A user's subclass that overrides step and calls super()."""

    def step(self, closure: Any = None) -> Any:
        return super().step(closure)


@pytest.mark.parametrize("cls", [descend.Adam, descend.SGD, Doubling], ids=lambda c: c.__name__)
def test_hooks_run_once_and_in_torch_s_order(cls: Any) -> None:
    adam(parameters([1])).step()  # torch patches a class when its first instance is made: not twice for a subclass
    params = parameters([3])
    optimizer, calls = cls(params), []
    set_gradients(params, 0)
    before = params[0].detach().clone()

    def note(name: str) -> Callable[..., None]:
        return lambda o, args, kwargs: calls.append((name, o is optimizer, torch.equal(params[0], before)))

    handles = [
        register_optimizer_step_post_hook(note("global post")),
        optimizer.register_step_post_hook(note("local post")),
        optimizer.register_step_pre_hook(note("local pre")),
        register_optimizer_step_pre_hook(note("global pre")),
    ]
    try:
        optimizer.step()
    finally:
        for handle in handles:
            handle.remove()
    order = ["global pre", "local pre", "local post", "global post"]
    assert calls == [(name, True, name.endswith("pre")) for name in order]
    optimizer.step()
    assert len(calls) == 4


def test_pre_hook_may_rewrite_the_arguments() -> None:
    """As in torch: a hook returns (args, kwargs), args including the optimizer; anything else is refused."""
    losses = []
    for cls in (torch.optim.Adam, descend.Adam):
        params = parameters([3])
        optimizer = cls(params)
        set_gradients(params, 0)
        handle = optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 7.0), {}))
        losses.append((optimizer.step(), optimizer.step(lambda: 8.0), optimizer.step(closure=lambda: 9.0)))
        handle.remove()
        optimizer.register_step_pre_hook(lambda o, args, kwargs: 5)
        with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\), but got 5"):
            optimizer.step()
    assert losses[0] == losses[1] == (7.0, 7.0, 7.0)


def test_hooks_see_what_they_change() -> None:
    """A pre-hook that clips gradients, drops one, and changes lr acts on this very step."""
    results = []
    for cls in (torch.optim.Adam, descend.Adam):
        params = parameters([3, 4], torch.float64)
        optimizer = cls(params, lr=0.1)

        def clip(o: Any, args: Any, kwargs: Any) -> None:
            ps = o.param_groups[0]["params"]
            nn.utils.clip_grad_value_(ps, 0.01)
            ps[1].grad = None
            o.param_groups[0]["lr"] /= 2

        optimizer.register_step_pre_hook(clip)
        train(optimizer, params, 3)
        results.append(params)
    assert_close(results[1], results[0], 1e-12)


@every_engine
def test_closure_runs_with_grad_and_step_without(engine: str) -> None:
    params = parameters([3])
    optimizer, seen = adam(params, engine=engine), []

    def closure() -> Tensor:
        seen.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = (params[0] ** 2).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        loss = optimizer.step(closure)
        assert not torch.is_grad_enabled()
    assert seen == [True]
    assert loss.requires_grad
    assert optimizer.step() is None
    assert torch.is_grad_enabled()
    with torch.inference_mode(False):
        optimizer.step(closure=closure)
    assert seen == [True, True]
    assert params[0].is_leaf and params[0].requires_grad and params[0].grad_fn is None


def test_state_dict_hooks() -> None:
    params = parameters([3])
    optimizer, calls = adam(params), []
    train(optimizer, params, 1)
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("pre"))
    optimizer.register_state_dict_post_hook(lambda o, d: {**d, "extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, d: {k: v for k, v in d.items() if k != "extra"})
    optimizer.register_load_state_dict_post_hook(lambda o: calls.append("loaded"))
    state = optimizer.state_dict()
    assert state["extra"] == 1
    optimizer.load_state_dict(state)
    assert calls == ["pre", "loaded"]
    assert "extra" in state  # the caller's dict is not touched


@pytest.mark.parametrize(
    "cls", [torch.optim.Adam, descend.Adam, Doubling], ids=lambda c: f"{c.__module__}.{c.__name__}"
)
def test_profiler_labels(cls: Any) -> None:
    params = parameters([3])
    optimizer = cls(params)
    train(optimizer, params, 1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        optimizer.step()
        optimizer.zero_grad()
    labels = [event.name for event in profile.events() if event.name.startswith("Optimizer.")]
    assert labels == [f"Optimizer.step#{cls.__name__}.step", f"Optimizer.zero_grad#{cls.__name__}.zero_grad"]


# Copies


@richest_cases
@every_engine
@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_copies_continue_alone(case: Case, engine: str, how: str) -> None:
    params = parameters([(3, 4), 65])
    optimizer = case.ours(params, engine=engine)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: None)
    train(optimizer, params, 3)
    both = (optimizer, params)
    twin, twins = copy.deepcopy(both) if how == "deepcopy" else pickle.loads(pickle.dumps(both, protocol=4))
    assert twin.param_groups[0]["params"][0] is twins[0]
    assert not twin._optimizer_step_pre_hooks  # torch drops hooks as well
    before = snapshot(optimizer)
    train(twin, twins, range(3, 6))
    assert_unchanged(optimizer, before)
    train(optimizer, params, range(3, 6))
    assert_same_bits([*params, *buffers(optimizer, params)], [*twins, *buffers(twin, twins)])
    assert twin.explain().engines.keys() == optimizer.explain().engines.keys()
    assert repr(twin) == repr(optimizer)


# differentiable=True: autograd through the step, as meta-learning needs it


def _unrolled(make: Callable[..., Any], start: Tensor, lr: Tensor, gradients: list[Tensor]) -> Tensor:
    p = start.clone()
    optimizer = make([p], lr=lr, differentiable=True)
    for g in gradients:
        p.grad = g
        optimizer.step()
    return p


@every_case
def test_differentiable(case: Case) -> None:
    """Derivatives with respect to lr and the start: right by finite differences, and torch's own."""
    gradients = [random(5, torch.float64, seed=i) for i in range(3)]
    start, lr = (
        x.requires_grad_() for x in (random(5, torch.float64, seed=9), torch.tensor(0.05, dtype=torch.float64))
    )
    assert torch.autograd.gradcheck(lambda p, rate: _unrolled(case.ours, p, rate, gradients), (start, lr))
    if (
        case.torch_cls in (torch.optim.Adagrad, torch.optim.RMSprop)
        or case.hyper.get("momentum")
        or case.hyper.get("amsgrad")
    ):
        return  # torch takes no Tensor lr there, or overwrites in place what its own backward needs
    torch.set_default_dtype(torch.float64)  # torch's own graph starts at the step count, in float32 otherwise
    found, wanted = (
        torch.autograd.grad(_unrolled(make, start, lr, gradients).pow(2).sum(), (start, lr))
        for make in (case.ours, case.theirs)
    )
    assert_close(found, wanted, 1e-10)


@every_case
def test_differentiable_gives_the_same_numbers(case: Case) -> None:
    params = [random((3, 4), torch.float64).requires_grad_().clone()]
    twins = copies(params)
    optimizer = case.ours(params, differentiable=True)
    train(optimizer, params, 5)
    train(case.ours(twins, engine="eager"), twins, 5)
    assert_close(params, twins, 1e-14)
    assert {"eager"} == set(k for k, rows in optimizer.explain().engines.items() if rows)


# Threads


def test_two_threads_with_an_optimizer_each() -> None:
    def work(out: list[Any], k: int) -> None:
        params = parameters([(40, 50), 7, 30_000], seed=k)
        optimizer = adam(params)
        train(optimizer, params, 15)
        out[k] = params

    alone: list[Any] = [None] * 4
    together: list[Any] = [None] * 4
    for k in range(4):
        work(alone, k)
    pool = [threading.Thread(target=work, args=(together, k)) for k in range(4)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join(timeout=60)
        assert not thread.is_alive()
    for k in range(4):
        assert_same_bits(together[k], alone[k])


# torch.compile


@richest_cases
def test_torch_compile(case: Case) -> None:
    """A compiled step gives the numbers of the plain one, whether dynamo traces it or leaves it alone."""
    params = parameters([(3, 4), 5])
    twins = copies(params)
    ours, plain = case.ours(params), case.ours(twins)
    step = torch.compile(ours.step, backend="eager")
    for t in range(4):
        for who, run in ((params, step), (twins, plain.step)):
            set_gradients(who, t)
            run()
    assert_close(params, twins, 1e-6)
    torch._dynamo.reset()


def test_state_of_a_fresh_group_is_independent() -> None:
    """defaultdict semantics: reading an unknown parameter's state makes an empty dict, which counts as no state."""
    params = parameters([3, 4])
    optimizer, reference = adam(params), adam(copies(params))
    assert isinstance(optimizer.state, defaultdict)
    assert optimizer.state[params[0]] == {}
    train(optimizer, params, 2)
    train(reference, reference.param_groups[0]["params"], 2)
    assert_same_bits(params, reference.param_groups[0]["params"])
