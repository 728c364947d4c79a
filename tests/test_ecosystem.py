"""What trainers, schedulers and checkpoint libraries do to an optimizer, done here without them.

Each test repeats the few lines that a library runs on an optimizer (named in the test), on torch's and on ours, and
holds ours against torch's. So what they rely on is kept even where none of them is installed.
"""

import copy
import inspect
import io
import os
import socket
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import (
    CASES,
    RICHEST,
    Case,
    assert_close,
    assert_same_bits,
    assert_unchanged,
    buffers,
    copies,
    every_engine,
    parameters,
    random,
    set_gradients,
    snapshot,
    train,
)
from cases_more import LATE_IN_TORCH, MORE, RICHEST_MORE
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import descend

LIBRARIES = (torch.optim, descend)
every_case = pytest.mark.parametrize("case", (*CASES, *MORE), ids=str)
richest_cases = pytest.mark.parametrize("case", (*RICHEST, *RICHEST_MORE), ids=str)


def side_by_side(case: Case, scenario: Callable[[Any, list[Parameter]], Any], **options: Any) -> tuple[Any, Any]:
    """Run a scenario on torch's optimizer and on ours; the parameters must end up the same."""
    params = parameters([(3, 4), 5])
    twins = copies(params)
    ours, theirs = case.ours(params, **options), case.theirs(twins)
    results = scenario(ours, params), scenario(theirs, twins)
    assert_close(params, twins, 1e-6)
    return results


# The class itself


@every_case
def test_what_a_class_must_look_like(case: Case) -> None:
    """Introspection by Accelerate, fastai, skorch, Transformers and torch.compile."""
    cls, instance = case.cls, case.ours(parameters([2]))
    assert issubclass(cls, torch.optim.Optimizer)
    assert type(cls) is type, "no metaclass"
    assert not any("__slots__" in vars(base) for base in cls.__mro__[:-1])
    assert not callable(instance), "fastai takes what is callable for a class"
    assert not hasattr(instance, "train") and not hasattr(instance, "eval"), "Accelerate would call them"
    assert inspect.ismethod(instance.step), "torch's schedulers wrap step.__func__"
    assert list(inspect.signature(instance.step).parameters) == ["closure"]
    assert "grad_scaler" not in inspect.signature(instance.step).parameters
    assert inspect.signature(instance.zero_grad).parameters["set_to_none"].default is True
    options = list(inspect.signature(cls).parameters.values())[1:]
    assert all(p.default is not p.empty for p in options), "Ignite makes one anew from its groups alone"
    assert "bitsandbytes" not in str(cls)
    assert len(instance.state) == 0, "no state before the first step: parameters may still be on the meta device"
    assert not instance._step_supports_amp_scaling, "Lightning refuses to clip gradients with it"


# Lightning


@richest_cases
@every_engine
def test_lightning_s_dynamic_subclass(case: Case, engine: str) -> None:
    """An object that never ran our constructor: our __dict__ copied, a class of its own made on the fly."""

    class Wrapper:
        def __init__(self, optimizer: Any) -> None:
            self.__dict__.update({k: v for k, v in optimizer.__dict__.items() if k != "step"})
            self.__class__ = type("Lightning" + type(optimizer).__name__, (Wrapper, type(optimizer)), {})
            self._optimizer = optimizer

        def step(self, closure: Any = None, **kwargs: Any) -> Any:
            return self._optimizer.step(closure=closure, **kwargs)

    def scenario(optimizer: Any, params: list[Parameter]) -> list[float]:
        wrapped: Any = Wrapper(optimizer)
        assert isinstance(wrapped, type(optimizer))
        losses = []
        for step in range(4):

            def closure(step: int = step) -> Tensor:
                wrapped.zero_grad()
                loss = sum(((p - random(p.shape, seed=step)) ** 2).sum() for p in params)
                loss.backward()
                nn.utils.clip_grad_norm_(params, 1.0)
                return loss

            losses.append(wrapped.step(closure=closure).item())
            assert repr(wrapped).startswith("Lightning")
            wrapped.state_dict()
        # Moves every entry of the state except "step", by name, as for a checkpoint that came from elsewhere.
        for state in wrapped.state.values():
            for key, value in state.items():
                if isinstance(value, Tensor) and key != "step":
                    state[key] = value.to("cpu", copy=True)
        wrapped.step(closure=lambda: torch.zeros(()))
        return losses

    ours, theirs = side_by_side(case, scenario, engine=engine)
    assert ours == pytest.approx(theirs, rel=1e-5)


# Accelerate


@richest_cases
@every_engine
def test_accelerate_s_step_replaced_on_the_instance(case: Case, engine: str) -> None:
    """Around GradScaler, to see whether the scaler took the step; before that, a round trip of the fresh state."""

    def scenario(optimizer: Any, params: list[Parameter]) -> list[bool]:
        optimizer.load_state_dict(optimizer.state_dict())
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
        original, seen = optimizer.step, []

        def patched(*args: Any, **kwargs: Any) -> Any:
            seen.append(True)
            return original(*args, **kwargs)

        taken = []
        for step in range(4):
            optimizer.zero_grad(set_to_none=step % 2 == 0)
            scaler.scale(sum((p * random(p.shape, seed=step)).sum() for p in params)).backward()
            if step == 1:
                params[0].grad[0, 0] = float("inf")
            optimizer.step, seen = patched, []
            scaler.step(optimizer)
            optimizer.step = original
            scaler.update()
            taken.append(bool(seen))
        return taken

    ours, theirs = side_by_side(case, scenario, engine=engine)
    assert ours == theirs == [True, False, True, True]


@richest_cases
@every_engine
def test_accelerate_s_parameter_swap(case: Case, engine: str) -> None:
    """Sharding: parameters replaced by one-element placeholders with an attribute, then by the sharded ones."""

    def scenario(optimizer: Any, params: list[Parameter]) -> None:
        group = optimizer.param_groups[0]
        placeholders = [torch.empty(1) for _ in params]
        for placeholder, p in zip(placeholders, params, strict=True):
            placeholder.data_ptr = p.data_ptr()  # type: ignore[method-assign, assignment]
        group["params"] = placeholders
        group["params"] = list(params)
        optimizer.state = defaultdict(dict)
        train(optimizer, params, 3)

    side_by_side(case, scenario, engine=engine)


# fastai


@richest_cases
@every_engine
def test_fastai_s_state_and_groups(case: Case, engine: str) -> None:
    """A new state in place of the old, parameter lists rewritten, options written back, tuples as tuples."""

    def scenario(optimizer: Any, params: list[Parameter]) -> None:
        train(optimizer, params, 2)
        optimizer.state = defaultdict(dict)
        train(optimizer, params, range(2, 4))
        for group in optimizer.param_groups:
            group["params"] = list(group["params"])
            for key, value in list(group.items()):
                if isinstance(value, tuple) and key == "betas":
                    group[key] = (value[0] / 2, *value[1:])
        train(optimizer, params, range(4, 6))
        optimizer.param_groups = [{**group, "params": [p]} for group in optimizer.param_groups for p in group["params"]]
        train(optimizer, params, range(6, 8))

    side_by_side(case, scenario, engine=engine)


# skorch, Ignite, timm


@richest_cases
@every_engine
def test_skorch_and_ignite_write_options_by_name(case: Case, engine: str) -> None:
    """group[name] = value, keys of their own, always step(closure), and a copy of the optimizer on the way."""

    def scenario(optimizer: Any, params: list[Parameter]) -> list[float]:
        losses = []
        optimizer.param_groups[0]["lr_scale"] = 0.5
        changes_lr = case.cls.__name__ not in LATE_IN_TORCH
        for step in range(5):
            for group in optimizer.param_groups:
                if changes_lr:
                    group["lr"] = 0.1 / (1 + step) * group.get("lr_scale", 1.0)
                if "weight_decay" in group:
                    group["weight_decay"] = 0.01 * step

            def closure(step: int = step) -> Tensor:
                optimizer.zero_grad()
                loss = sum(((p - random(p.shape, seed=step)) ** 2).sum() for p in params)
                loss.backward()
                return loss

            losses.append(optimizer.step(closure).item())
        copied = copy.deepcopy(optimizer)
        assert copied.param_groups[0]["lr_scale"] == 0.5
        return losses

    ours, theirs = side_by_side(case, scenario, engine=engine)
    assert ours == pytest.approx(theirs, rel=1e-5)


@every_engine
def test_a_rate_that_becomes_a_tensor_of_the_same_value(engine: str) -> None:
    """From then on it may change in place, which no comparison with the value of before would show."""
    params = parameters([4])
    twins = copies(params)
    ours, theirs = descend.SGD(params, lr=0.5, engine=engine), torch.optim.SGD(twins, lr=0.5)
    for optimizer, who in ((ours, params), (theirs, twins)):
        train(optimizer, who, 3)
        rate = optimizer.param_groups[0]["lr"] = torch.tensor(0.5)
        train(optimizer, who, range(3, 5))
        for step, value in enumerate((0.25, 0.125)):
            rate.fill_(value)
            train(optimizer, who, range(5 + step, 6 + step))
    assert_close(params, twins, 1e-6)


def test_values_of_a_users_own_that_cannot_be_compared() -> None:
    """An array beside the options makes `==` of two groups an error, which is nobody's business."""
    numpy = pytest.importorskip("numpy")
    params = parameters([4])
    twins = copies(params)
    ours = descend.SGD([{"params": params, "mask": numpy.ones(3)}], lr=0.1)
    theirs = torch.optim.SGD(twins, lr=0.1)
    for step in range(4):
        ours.param_groups[0]["mask"] = numpy.ones(3) * step
        train(ours, params, range(step, step + 1))
        train(theirs, twins, range(step, step + 1))
    assert_close(params, twins, 1e-6)


# Optimizer in backward, thousands of optimizers


@richest_cases
@every_engine
def test_optimizer_in_backward(case: Case, engine: str) -> None:
    """One instance per parameter, stepped by autograd as soon as the gradient is there, which then goes."""

    def run(make: Callable[..., Any]) -> list[Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        optimizers = {p: make([p]) for p in model.parameters()}

        def hook(p: Parameter) -> None:
            optimizers[p].step()
            optimizers[p].zero_grad()

        for p in model.parameters():
            p.register_post_accumulate_grad_hook(hook)
        for step in range(4):
            (model(random((8, 4), seed=step)) ** 2).mean().backward()
        assert all(p.grad is None for p in model.parameters())
        return list(model.parameters())

    # An update shifts the values that the layers below see not at all: the same numbers as a step at the end.
    assert_close(run(lambda ps: case.ours(ps, engine=engine)), run(case.theirs), 1e-5)


def test_two_thousand_optimizers_of_one_parameter() -> None:
    """Each with state and step count of its own; all together equal to one with all parameters."""
    params = parameters([3] * 2000)
    twins = copies(params)
    many, one = [descend.AdamW([p], lr=0.01) for p in params], descend.AdamW(twins, lr=0.01)
    for step in range(3):
        for who in (params, twins):
            set_gradients(who, step)
        for optimizer in many:
            optimizer.step()
        one.step()
    assert_same_bits(params, twins)


# GradScaler, both ways


@every_engine
@pytest.mark.parametrize("fused", [None, True])
def test_grad_scaler_leaves_a_skipped_step_untouched(fused: bool | None, engine: str) -> None:
    """Parameters, state and step count; with fused=True the scaler leaves the decision to us."""
    for name, options in (("SGD", dict(momentum=0.9)), ("Adam", {}), ("AdamW", {}), ("Adagrad", {})):
        params = parameters([(3, 4), 65])
        optimizer = getattr(descend, name)(params, lr=0.1, fused=fused, engine=engine, **options)
        scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
        train(optimizer, params, 2)
        before = snapshot(optimizer)
        optimizer.zero_grad()
        scaler.scale(sum(p.sum() for p in params)).backward()
        params[1].grad[3] = float("nan")
        scaler.step(optimizer)
        scaler.update()
        assert_unchanged(optimizer, before)
        assert scaler.get_scale() == 32.0
        for p in params:
            p.grad = torch.full_like(p, 32.0)  # scaled by 32
        scaler.scale(torch.zeros(()))
        scaler.step(optimizer)
        assert all(p.grad.eq(1).all() for p in params), "gradients are unscaled in place, as torch leaves them"
        assert optimizer._step_supports_amp_scaling is bool(fused)


# torch.compile


@every_case
def test_compiled_step(case: Case) -> None:
    """torch.compile(optimizer.step), and a training step that contains it: the numbers of the plain ones."""
    params = parameters([(3, 4), 5])
    twins = copies(params)
    ours, plain = case.ours(params), case.ours(twins)
    compiled = torch.compile(ours.step, backend="eager")

    @torch.compile(backend="eager")
    def whole() -> None:
        ours.step()

    for step in range(4):
        set_gradients(params, step)
        (compiled if step < 2 else whole)()
        train(plain, twins, range(step, step + 1))
    with torch._dynamo.config.patch(error_on_recompile=True):  # a schedule changes the rate at every step
        for step in range(4, 7):
            for optimizer, who, run in ((ours, params, whole), (plain, twins, plain.step)):
                optimizer.param_groups[0]["lr"] *= 0.5
                set_gradients(who, step)
                run()
    torch._dynamo.reset()
    assert_same_bits([*params, *buffers(ours, params)], [*twins, *buffers(plain, twins)])


# Checkpoints


@every_case
def test_weights_only(case: Case) -> None:
    """torch.load(weights_only=True) builds nothing but tensors and plain containers, and refuses anything else."""
    params = parameters([(3, 4), 5])
    optimizer = case.ours([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}])
    train(optimizer, params, 2)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    resumed = case.ours([{"params": [p]} for p in copies(params)])
    resumed.load_state_dict(loaded)
    twins = [p for group in resumed.param_groups for p in group["params"]]
    train(optimizer, params, range(2, 4))
    train(resumed, twins, range(2, 4))
    assert_same_bits([*params, *buffers(optimizer, params)], [*twins, *buffers(resumed, twins)])


@every_case
@pytest.mark.parametrize("flat", [False, True])
def test_distributed_checkpoint_state(case: Case, flat: bool) -> None:
    """Nested by name and flattened, from a trained optimizer into a fresh one of ours and of torch's."""
    from torch.distributed.checkpoint.state_dict import (
        StateDictOptions,
        get_optimizer_state_dict,
        set_optimizer_state_dict,
    )

    options = StateDictOptions(flatten_optimizer_state_dict=flat)
    model = nn.Linear(3, 2)
    optimizer = case.ours(model.parameters())
    train(optimizer, list(model.parameters()), 2)
    optimizer.zero_grad()
    saved = copy.deepcopy(get_optimizer_state_dict(model, optimizer, options=options))
    reference = copy.deepcopy(model), None
    for make in (case.ours, case.theirs):
        again = copy.deepcopy(model)
        resumed = make(again.parameters())
        set_optimizer_state_dict(again, resumed, copy.deepcopy(saved), options=options)
        train(resumed, list(again.parameters()), range(2, 4))
        if make == case.ours:
            reference = again, resumed
        else:
            assert_close(reference[0].parameters(), again.parameters(), 1e-6)
    train(optimizer, list(model.parameters()), range(2, 4))
    assert_same_bits(model.parameters(), reference[0].parameters())


@pytest.mark.filterwarnings("ignore")  # torch's own, about saving from one process
@richest_cases
@pytest.mark.parametrize("source", ["ours", "torch"])
@pytest.mark.parametrize("hand_over", ["set_optimizer_state_dict", "in place"])
def test_distributed_checkpoint_on_disk(case: Case, source: str, hand_over: str, tmp_path: Path) -> None:
    """Loading writes into the state that a fresh optimizer was made to have; that is then no longer a fresh one's."""
    from torch.distributed import checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict

    model = nn.Linear(3, 2)
    optimizer = (case.ours if source == "ours" else case.theirs)(model.parameters())
    train(optimizer, list(model.parameters()), 3)
    dcp.save({"optimizer": get_optimizer_state_dict(model, optimizer)}, checkpoint_id=tmp_path, no_dist=True)
    again = copy.deepcopy(model)
    again.zero_grad()
    resumed = case.ours(again.parameters())
    state = {"optimizer": get_optimizer_state_dict(again, resumed)}
    dcp.load(state, checkpoint_id=tmp_path, no_dist=True)
    if hand_over == "set_optimizer_state_dict":
        set_optimizer_state_dict(again, resumed, state["optimizer"])
    for who, which in ((optimizer, model), (resumed, again)):
        train(who, list(which.parameters()), range(3, 6))
    assert_close(again.parameters(), model.parameters(), 1e-6)


def test_hooks_on_all_optimizers_are_torch_s() -> None:
    """Registered through either name, they run for optimizers of both."""
    assert descend.register_optimizer_step_pre_hook is register_optimizer_step_pre_hook
    assert descend.register_optimizer_step_post_hook is register_optimizer_step_post_hook
    calls: list[str] = []
    handles = [
        descend.register_optimizer_step_pre_hook(lambda o, *_: calls.append("pre " + type(o).__module__)),
        descend.register_optimizer_step_post_hook(lambda o, *_: calls.append("post " + type(o).__module__)),
    ]
    try:
        for library in LIBRARIES:
            library.SGD(parameters([1])).step()
    finally:
        for handle in handles:
            handle.remove()
    modules = [library.SGD.__module__ for library in LIBRARIES]
    assert calls == [f"{when} {module}" for module in modules for when in ("pre", "post")]


# swap_in_optimizer_params_and_state


@richest_cases
@pytest.mark.parametrize("owner", ["ours", "torch"])
@every_engine
def test_swap_in(case: Case, owner: str, engine: str) -> None:
    """Steps inside act on what was swapped in, in place; afterwards everything is as it was, and trains on."""
    params = parameters([(3, 4), 5])
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.02}]
    optimizer = case.ours(groups, engine=engine) if owner == "ours" else case.theirs(groups)
    train(optimizer, params, 2)
    twins = copies(params)
    state = copy.deepcopy(optimizer.state_dict())
    before, lists = snapshot(optimizer), [group["params"] for group in optimizer.param_groups]
    swapped = dict(zip("ab", copies(params), strict=True))
    with descend.swap_in_optimizer_params_and_state(optimizer, swapped, state):
        assert optimizer.param_groups[0]["params"][0] is swapped["a"]
        optimizer.param_groups[0]["lr"] = 0.3
        train(optimizer, list(swapped.values()), range(2, 4))
    assert_unchanged(optimizer, before)
    assert all(group["params"] is was for group, was in zip(optimizer.param_groups, lists, strict=True))
    assert "step" not in case.state_keys or state["state"][0]["step"] == 4, "tensors swapped in are changed in place"
    reference = case.ours([{"params": twins[:1]}, {"params": twins[1:], "lr": 0.02}])
    reference.load_state_dict(optimizer.state_dict())
    train(optimizer, params, range(2, 4))
    train(reference, twins, range(2, 4))
    assert_close(params, twins, 1e-6)
    with pytest.raises(ZeroDivisionError), descend.swap_in_optimizer_params_and_state(optimizer, swapped, state):
        raise ZeroDivisionError
    assert optimizer.param_groups[0]["params"] is lists[0]


def test_swap_in_without_state() -> None:
    """Plain SGD has none; torch's context manager refuses it."""
    if hasattr(torch.optim, "swap_in_optimizer_params_and_state"):
        optimizer = torch.optim.SGD(parameters([3]), lr=0.1)
        with (
            pytest.raises(RuntimeError, match="requires initialized optimizer state"),
            torch.optim.swap_in_optimizer_params_and_state(optimizer, {"p": torch.zeros(3)}, optimizer.state_dict()),
        ):
            pass
    for library in LIBRARIES:
        params = parameters([3])
        optimizer = library.SGD(params, lr=0.1)
        other = torch.zeros(3, requires_grad=True)
        with descend.swap_in_optimizer_params_and_state(optimizer, {"p": other}, optimizer.state_dict()):
            other.grad = torch.ones(3)
            optimizer.step()
        assert other.allclose(torch.tensor(-0.1))
        assert optimizer.param_groups[0]["params"] == params


BAD_SWAPS: dict[str, Callable[[dict[str, Any], dict[str, Tensor]], Any]] = {
    "no dict": lambda state, _: [],
    "state is no dict": lambda state, _: {**state, "state": []},
    "state by tensor": lambda state, params: {**state, "state": {params["a"]: {}}},
    "an entry is no dict": lambda state, _: {**state, "state": {0: 1}},
    "groups are no list": lambda state, _: {**state, "param_groups": {}},
    "another number of groups": lambda state, _: {**state, "param_groups": []},
    "a group is no dict": lambda state, _: {**state, "param_groups": [1]},
    "parameters by tensor": lambda state, params: {
        **state, "param_groups": [{**state["param_groups"][0], "params": [params["a"]]}]
    },
    "another number of parameters": lambda state, _: {
        **state, "param_groups": [{**state["param_groups"][0], "params": [0]}]
    },
    "another option": lambda state, _: {**state, "param_groups": [{**state["param_groups"][0], "kernel": 1}]},
    "state of nobody": lambda state, _: {**state, "state": {**state["state"], 7: {}}},
    "too few tensors": lambda state, params: params.pop("b") is None or state,
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_SWAPS)
def test_swap_in_refuses_as_torch_does(what: str) -> None:
    managers = [descend.swap_in_optimizer_params_and_state]
    if hasattr(torch.optim, "swap_in_optimizer_params_and_state"):
        managers.append(torch.optim.swap_in_optimizer_params_and_state)
    messages = []
    for manager in managers:
        params = parameters([3, 4])
        optimizer = descend.Adam(params)
        train(optimizer, params, 1)
        before = snapshot(optimizer)
        swapped: dict[str, Tensor] = {"a": torch.zeros(3), "b": torch.zeros(4)}
        state = BAD_SWAPS[what](optimizer.state_dict(), swapped)
        with pytest.raises(RuntimeError) as caught, manager(optimizer, swapped, state):
            pass
        assert_unchanged(optimizer, before)
        messages.append(str(caught.value).rstrip(".").split("got")[0].split(":")[0])
    assert messages[0].startswith(messages[-1]), messages


# optimizer.to


@every_case
def test_to_moves_state_and_nothing_else(case: Case) -> None:
    """To the meta device, the only other one that every machine has: step counts stay, as torch keeps them."""
    params = parameters([(3, 4), 5])
    optimizer = case.ours(params)
    train(optimizer, params, 2)
    options = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    keys = [list(optimizer.state.get(p, {})) for p in params]
    assert optimizer.to("cpu") is optimizer
    train(optimizer, params, range(2, 3))
    assert optimizer.to(torch.device("meta")) is optimizer
    for p, known in zip(params, keys, strict=True):
        assert list(optimizer.state.get(p, {})) == known
        assert p.device.type == "cpu"
        for key, value in optimizer.state.get(p, {}).items():
            assert value.device.type == ("cpu" if key == "step" else "meta"), key
            assert value.dtype == (torch.float32 if key == "step" else p.dtype)
    assert [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups] == options
    assert list(optimizer.state) == [p for p in params if keys[0]]


def test_to_without_a_device_is_where_the_parameters_are() -> None:
    params = parameters([3, 4])
    optimizer = descend.Adam(params)
    train(optimizer, params, 1)
    held = buffers(optimizer, params)
    assert all(a is b for a, b in zip(buffers(optimizer.to(), params), held, strict=True)), "they are there already"
    fused = descend.Adam(params, fused=True)
    train(fused, params, 1)
    assert all(t.is_meta for t in buffers(fused.to("meta"), params)), "fused keeps its step beside the parameter"
    assert descend.Adam(parameters([3])).to("meta").state == {}


@pytest.mark.gpu
@every_case
def test_training_goes_on_after_a_move(case: Case) -> None:
    """CPU, GPU, and back, as a run without moves."""
    params = parameters([(3, 4), 5])
    twins = copies(params)
    optimizer, reference = case.ours(params), case.ours(twins)
    for leg, device in enumerate(("cpu", "cuda", "cpu")):
        for p in params:
            p.data, p.grad = p.data.to(device), None
        optimizer.to(device if leg % 2 else None)
        for step in range(2 * leg, 2 * leg + 2):
            set_gradients(twins, step)
            for p, twin in zip(params, twins, strict=True):
                p.grad = twin.grad.to(device)
            optimizer.step()
            reference.step()
        assert all(t.device.type == device or t.dim() == 0 for t in buffers(optimizer, params))
    assert_close(params, twins, 1e-5)  # root and division of a GPU may differ in the last place


# Distributed, in one process


@pytest.fixture
def _one_process() -> Iterator[None]:
    """A gloo group of one, for as long as a test runs."""
    dist = torch.distributed
    if not dist.is_available() or not dist.is_gloo_available():
        pytest.skip("this torch has no gloo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = {key: os.environ.get(key) for key in ("MASTER_ADDR", "MASTER_PORT")}
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))


def _steps(model: nn.Module, optimizer: Any, steps: range) -> list[Tensor]:
    for step in steps:
        optimizer.zero_grad()
        (model(random((4, 5), seed=step)) ** 2).sum().backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


@pytest.mark.usefixtures("_one_process")
@richest_cases
@every_engine
def test_ddp_gradients_as_views_of_a_bucket(case: Case, engine: str) -> None:
    model, plain = _network(), _network()
    wrapped = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    optimizer = case.ours(model.parameters(), engine=engine)
    ours = _steps(wrapped, optimizer, range(4))
    assert_same_bits(ours, _steps(plain, case.ours(plain.parameters(), engine=engine), range(4)))
    assert engine == "eager" or not optimizer.explain().engines.get("eager")


@pytest.mark.usefixtures("_one_process")
@richest_cases
@every_engine
def test_fsdp2_parameters_are_distributed_tensors(case: Case, engine: str) -> None:
    """They have no memory of their own that a kernel could take; state must be distributed as they are."""
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    model, plain = _network(), _network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its use on CPU
        fully_shard(model, mesh=torch.distributed.init_device_mesh("cpu", (1,)))
        optimizer = case.ours(model.parameters(), engine=engine)
        _steps(model, optimizer, range(4))
    params = list(model.parameters())
    assert all(isinstance(p, DTensor) for p in params)
    for p in params:
        for key in case.rule.present(case.hyper):
            assert isinstance(optimizer.state[p][key], DTensor), key
            assert optimizer.state[p][key].placements == p.placements
    wanted = _steps(plain, case.ours(plain.parameters(), engine="eager"), range(4))
    assert_close([p.full_tensor() for p in params], wanted, 1e-6)
    before = [p.full_tensor().clone() for p in params]
    optimizer.zero_grad()
    optimizer.step()
    assert_same_bits([p.full_tensor() for p in params], before)


@pytest.mark.usefixtures("_one_process")
def test_a_step_that_only_makes_state_on_distributed_tensors() -> None:
    """What a distributed checkpoint does to a sharded model before it loads."""
    from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict
    from torch.distributed.fsdp import fully_shard

    found = []
    for save in (False, True):
        model = _network()
        fully_shard(model, mesh=torch.distributed.init_device_mesh("cpu", (1,)))
        optimizer = descend.AdamW(model.parameters(), lr=0.1)
        if save:
            get_optimizer_state_dict(model, optimizer)
            assert all(state["step"] == 0 for state in optimizer.state.values())
        _steps(model, optimizer, range(3))
        found.append([p.full_tensor() for p in model.parameters()])
    assert_same_bits(*found)
