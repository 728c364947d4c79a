"""Bad input: refused in torch's words first, then with what is wrong and what is allowed; and nothing half done.

Where torch refuses, its own message is produced here with the same input and must be how ours begins. Where torch
accepts nonsense (NaN as learning rate, a misspelled option of a group), ours names argument, value and what is allowed.
"""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import (
    CASES,
    RICHEST,
    Case,
    assert_same_bits,
    assert_unchanged,
    buffers,
    copies,
    every_case,
    every_engine,
    parameters,
    richest_cases,
    set_gradients,
    snapshot,
    train,
)
from torch import Tensor, nn
from torch.nn import Parameter

import descend

NAN, INF = float("nan"), float("inf")
BY_CLASS = {case.cls.__name__: case for case in RICHEST}

# What torch refuses in the constructor.
BAD: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        dict(momentum=-1), dict(nesterov=True), dict(nesterov=True, momentum=0.9, dampening=0.1),
        dict(fused=True, foreach=True), dict(fused=True, differentiable=True),
    ],
    "Adagrad": [
        dict(lr_decay=-0.5), dict(initial_accumulator_value=-1.0), dict(eps=-1e-8),
        dict(fused=True, foreach=True), dict(fused=True, differentiable=True),
    ],
    "RMSprop": [dict(alpha=-0.1), dict(eps=-1), dict(momentum=-0.9)],
    "Adam": [
        dict(eps=-1e-8), dict(betas=(1.0, 0.9)), dict(betas=(0.9, 1.0)), dict(betas=(-0.1, 0.9)),
        dict(betas=(0.9, 2.0)), dict(betas=(0.9, torch.tensor(0.9))),
        dict(lr=torch.tensor(0.1), foreach=True),
        dict(betas=(torch.tensor(0.9), torch.tensor(0.9)), foreach=True),
        dict(fused=True, foreach=True), dict(fused=True, differentiable=True),
    ],
}  # fmt: skip
BAD["AdamW"] = BAD["Adam"]
EVERYWHERE = [dict(lr=-0.1), dict(lr=torch.tensor([0.1, 0.1])), dict(weight_decay=-0.1)]
REFUSED_BY_TORCH = [(name, bad) for name, rows in BAD.items() for bad in [*EVERYWHERE, *rows]]


def message_of(make: Callable[[], Any]) -> tuple[type[Exception], str]:
    with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
        make()
    return caught.type, str(caught.value)


@pytest.mark.parametrize(("name", "bad"), REFUSED_BY_TORCH, ids=str)
def test_torch_s_refusals_in_the_constructor(name: str, bad: dict[str, Any]) -> None:
    case = BY_CLASS[name]
    kind, words = message_of(lambda: case.torch_cls(parameters([3]), **bad))
    ours_kind, ours = message_of(lambda: case.cls(parameters([3]), **bad))
    assert issubclass(ours_kind, kind)
    assert ours.startswith(words.rstrip("."))


def test_tensor_betas_of_several_elements() -> None:
    """torch means to say this, but compares the tensor with 0 before, which fails without saying why."""
    pair = torch.tensor([0.9, 0.9])
    for i, betas in enumerate([(pair, torch.tensor(0.9)), (torch.tensor(0.9), pair)]):
        for cls in (descend.Adam, descend.AdamW):
            with pytest.raises(ValueError, match=rf"^Tensor betas\[{i}\] must be 1-element"):
                cls(parameters([3]), betas=betas)


def _leaf() -> Parameter:
    return Parameter(torch.ones(2))


def _twice() -> list[dict[str, Any]]:
    p = _leaf()
    return [{"params": [p]}, {"params": [p]}]


BAD_PARAMS: dict[str, Callable[[], Any]] = {
    "a tensor": _leaf,
    "nothing": list,
    "a set in a group": lambda: [{"params": {_leaf()}}],
    "a number among the parameters": lambda: [_leaf(), 3.0],
    "an array": lambda: [_leaf().detach().numpy()],
    "not a leaf": lambda: [_leaf() * 2],
    "in two groups": _twice,
    "half of them named": lambda: [("weight", _leaf()), _leaf()],
    "named and unnamed groups": lambda: [{"params": [_leaf()]}, {"params": [("weight", _leaf())]}],
    "unnamed and named groups": lambda: [{"params": [("weight", _leaf())]}, {"params": [_leaf()]}],
    "a list of modules": lambda: [nn.Linear(2, 1)],
    "names without parameters": lambda: ["weight", "bias"],
}


@pytest.mark.parametrize("what", BAD_PARAMS)
@richest_cases
def test_torch_s_refusals_of_parameters(case: Case, what: str) -> None:
    kind, words = message_of(lambda: case.theirs(BAD_PARAMS[what]()))
    ours_kind, ours = message_of(lambda: case.ours(BAD_PARAMS[what]()))
    assert issubclass(ours_kind, kind)
    assert ours.startswith(words.rstrip("."))


@richest_cases
def test_a_module_instead_of_its_parameters(case: Case) -> None:
    """torch: "'Linear' object is not iterable". The mistake is common enough to be told the remedy."""
    for module in (nn.Linear(2, 1), nn.Sequential(nn.Linear(2, 1)), [nn.Linear(2, 1)]):
        with pytest.raises(TypeError, match=r"\.parameters\(\)"):
            case.ours(module)


def test_a_dict_of_parameters() -> None:
    with pytest.raises(TypeError, match=r"named_parameters\(\)|values\(\)|items\(\)"):
        descend.Adam(dict(nn.Linear(2, 1).named_parameters()))


@richest_cases
def test_a_tensor_that_needs_no_gradient(case: Case) -> None:
    """Passed by mistake it would silently never train: a warning that names it, and the optimizer is made."""
    named = [("weight", _leaf()), ("running_mean", torch.zeros(2))]
    with pytest.warns(UserWarning, match="running_mean") as caught:
        optimizer = case.cls(named, **case.kwargs)
    assert len(caught) == 1
    assert caught[0].filename == __file__, "the warning points at the caller"
    assert len(optimizer.param_groups[0]["params"]) == 2
    with pytest.warns(UserWarning, match=r"parameter 1\b|\b1\b"):
        case.ours([_leaf(), torch.zeros(2)])


# What torch accepts and should not

NONSENSE: dict[str, list[Any]] = {
    "lr": [NAN, INF, torch.tensor(NAN), torch.tensor(-0.1)],
    "weight_decay": [NAN, INF],
    "momentum": [NAN, INF],
    "dampening": [NAN],
    "eps": [NAN],
    "alpha": [NAN],
    "betas": [(NAN, 0.9), (0.9, NAN), (0.9,), (0.9, 0.99, 0.999), 0.9],
    "lr_decay": [NAN],
    "initial_accumulator_value": [NAN],
}
ROWS = [
    (case, key, value) for case in RICHEST for key, values in NONSENSE.items() if key in case.hyper for value in values
]


def _shown(value: Any) -> str:
    values = value if isinstance(value, tuple) else (value,)
    bad = [v for v in map(float, values) if not v >= 0 or v == INF]
    return re.escape(str(bad[0] if bad else value))


@pytest.mark.parametrize(("case", "key", "value"), ROWS, ids=str)
def test_nonsense_is_refused_wherever_it_comes_from(case: Case, key: str, value: Any) -> None:
    """In the constructor, in a group, in a later group, and written into a group: the message names key and value."""
    words = {"lr": "learning rate", "betas": "beta", "eps": "eps"}.get(key, key)
    match = f"(?si)(?=.*{words})(?=.*{_shown(value)})"
    with pytest.raises((ValueError, TypeError), match=match):
        case.ours(parameters([3]), **{key: value})
    with pytest.raises((ValueError, TypeError), match=match):
        case.ours([{"params": parameters([3])}, {"params": parameters([4]), key: value}])
    params = parameters([3, 4])
    optimizer = case.ours(params)
    with pytest.raises((ValueError, TypeError), match=match):
        optimizer.add_param_group({"params": parameters([5]), key: value})
    assert len(optimizer.param_groups) == 1, "a refused group is not added"
    train(optimizer, params, 2)
    optimizer.param_groups[0][key] = value
    before = snapshot(optimizer)
    with pytest.raises((ValueError, TypeError), match=match):
        optimizer.step()
    assert_unchanged(optimizer, before)


@pytest.mark.parametrize("engine", ["eager", "cpu"])
@richest_cases
def test_a_bad_value_in_the_last_group_stops_the_first(case: Case, engine: str) -> None:
    """And once it is put right, training goes on as if nothing had happened."""
    params = parameters([3, 4])
    twins = copies(params)
    optimizer, reference = (
        case.ours([{"params": [ps[0]]}, {"params": [ps[1]]}], engine=engine) for ps in (params, twins)
    )
    train(optimizer, params, 2)
    train(reference, twins, 2)
    lr = optimizer.param_groups[1]["lr"]
    optimizer.param_groups[1]["lr"] = -1.0
    before = snapshot(optimizer)
    set_gradients(params, 2)
    with pytest.raises(ValueError, match=r"Invalid learning rate: -1\.0"):
        optimizer.step()
    assert_unchanged(optimizer, before)
    optimizer.param_groups[1]["lr"] = lr
    train(optimizer, params, range(2, 4))
    train(reference, twins, range(2, 4))
    assert_same_bits([*params, *buffers(optimizer, params)], [*twins, *buffers(reference, twins)])


@richest_cases
def test_a_wrong_type(case: Case) -> None:
    for value in ("0.1", None, [0.1], (0.1,)):
        with pytest.raises((TypeError, ValueError), match=r"(?si)(lr|learning rate)"):
            case.ours(parameters([3]), lr=value)
    with pytest.raises((TypeError, ValueError), match="weight_decay"):
        case.ours(parameters([3]), weight_decay="1e-4")
    with pytest.raises(TypeError, match="learning_rate"):
        case.cls(parameters([3]), learning_rate=0.1)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("learning_rate", "lr"),
        ("weightdecay", "weight_decay"),
        ("wd", "weight_decay"),
        ("LR", "lr"),
        ("maximise", "maximize"),
    ],
)
@richest_cases
def test_a_misspelled_option_of_a_group(case: Case, key: str, meant: str) -> None:
    """torch keeps it beside the default that it was meant to replace, and trains with the default."""
    match = rf"(?s)(?=.*{key})(?=.*\b{meant}\b)"
    with pytest.raises((ValueError, TypeError), match=match):
        case.ours([{"params": parameters([3]), key: 0.1}])
    optimizer = case.ours(parameters([3]))
    with pytest.raises((ValueError, TypeError), match=match):
        optimizer.add_param_group({"params": parameters([4]), key: 0.1})
    assert len(optimizer.param_groups) == 1


def test_options_of_a_users_own_are_kept() -> None:
    """Schedulers and trainers store their own: names, factors, initial values."""
    own = dict(name="head", initial_lr=0.1, lr_scale=0.5, lr_mult=1.0, layer_id=3, max_lr=1.0, min_lr=0.0, swa_lr=0.1)
    optimizer = descend.AdamW([{"params": parameters([3]), **own}])
    assert {key: optimizer.param_groups[0][key] for key in own} == own


def test_a_group_without_parameters() -> None:
    with pytest.raises((KeyError, ValueError), match="params"):
        descend.Adam([{"lr": 0.1}])
    for cls in (torch.optim.Adam, descend.Adam):
        optimizer = cls([{"params": []}, {"params": parameters([3])}])  # an empty group is fine
        optimizer.step()
        with pytest.raises(TypeError, match="param_group must be a dict, but got"):
            optimizer.add_param_group(parameters([3]))


@every_case
def test_sparse_gradients_in_torch_s_words(case: Case) -> None:
    """On the last parameter, so that a step which looked as it went would have moved the others already."""
    if case.sparse:
        pytest.skip("torch takes sparse gradients here")
    messages = []
    for make in (case.theirs, case.ours):
        params = parameters([5, (4, 3)])
        optimizer = make(params)
        train(optimizer, params, 2)
        set_gradients(params, 2)
        params[1].grad = torch.sparse_coo_tensor(
            torch.tensor([[1, 3]]), torch.ones(2, 3), (4, 3), check_invariants=True
        )
        before = snapshot(optimizer)
        with pytest.raises(RuntimeError) as caught:
            optimizer.step()
        messages.append(str(caught.value))
    assert_unchanged(optimizer, before)
    if (
        case.torch_cls is not torch.optim.SGD
    ):  # torch's SGD with weight decay fails inside an operator, without words of its own
        assert messages[1].startswith(messages[0])
    assert re.search(r"\b1\b|weight_decay", messages[1])


@every_engine
@every_case
def test_a_raising_closure_changes_nothing(case: Case, engine: str) -> None:
    for trained in (0, 2):
        params = parameters([5, 70])
        optimizer = case.ours(params, engine=engine)
        train(optimizer, params, trained)
        before = snapshot(optimizer)

        def closure(params: list[Parameter] = params) -> Tensor:
            set_gradients(params, 9)
            raise ZeroDivisionError("no loss today")

        with pytest.raises(ZeroDivisionError, match="no loss today"):
            optimizer.step(closure)
        assert_unchanged(optimizer, before)
        assert torch.is_grad_enabled()


@every_engine
def test_a_raising_hook_changes_nothing(engine: str) -> None:
    params = parameters([5, 70])
    optimizer = descend.Adam(params, engine=engine)
    train(optimizer, params, 2)

    def hook(*_: Any) -> None:
        raise ZeroDivisionError

    optimizer.register_step_pre_hook(hook)
    before = snapshot(optimizer)
    with pytest.raises(ZeroDivisionError):
        optimizer.step()
    assert_unchanged(optimizer, before)


@every_engine
@every_case
def test_a_parameter_that_cannot_be_written_changes_nothing(case: Case, engine: str) -> None:
    """An expanded parameter has one number in many places: torch refuses in the middle of its loop, we before it."""
    params: list[Any] = [*parameters([5]), Parameter(torch.ones(1).expand(4))]
    optimizer = case.ours(params, engine=engine)
    for p in params:
        p.grad = torch.ones(p.shape)
    before = snapshot(optimizer)
    with pytest.raises(RuntimeError):
        optimizer.step()
    assert_unchanged(optimizer, before)


@every_engine
def test_a_parameter_made_in_inference_mode(engine: str) -> None:
    """torch refuses to change an inference tensor outside inference mode; a native write must not slip past that."""
    with torch.inference_mode():
        frozen = torch.ones(4)
    frozen.grad = torch.ones(4)
    params: list[Any] = parameters([5])
    with pytest.warns(UserWarning, match="no gradient"):
        optimizer = descend.SGD([*params, frozen], lr=0.1, engine=engine)
    set_gradients(params, 0)
    before = snapshot(optimizer)
    with pytest.raises(RuntimeError, match="nference"):
        optimizer.step()
    assert_unchanged(optimizer, before)


def test_messages_say_what_is_allowed() -> None:
    """A few in full, as a user reads them."""
    for bad, parts in (
        (dict(lr=-0.1), ("Invalid learning rate: -0.1", "0")),
        (dict(lr=NAN), ("Invalid learning rate: nan", "finite")),
        (dict(betas=(0.9, 1.0)), ("Invalid beta parameter at index 1: 1.0", "1")),
        (dict(betas=(0.9,)), ("betas", "pair")),
    ):
        _, words = message_of(lambda bad=bad: descend.Adam(parameters([3]), **bad))
        for part in parts:
            assert part in words, words


def test_refused_construction_leaves_the_callers_groups_alone() -> None:
    """torch writes its defaults into the caller's dict; a refused one should at least not hold half an optimizer."""
    group = {"params": parameters([3]), "lr": -1.0}
    given = copy.copy(group)
    with pytest.raises(ValueError, match=r"Invalid learning rate: -1\.0"):
        descend.Adam([group])
    assert {k: v for k, v in group.items() if k in given} == given


def test_every_class_has_a_row() -> None:
    assert set(BAD) == {case.cls.__name__ for case in CASES}
