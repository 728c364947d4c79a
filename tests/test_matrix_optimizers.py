"""Adafactor, Muon and SparseAdam, which are no rules, against torch.optim: numbers, state, refusals, checkpoints.

Tolerances: Adafactor and SparseAdam 1e-6 in float32 and 1e-12 in float64, relative to max(|value|, 1), over 10 steps.
Muon orthogonalises in bfloat16, here and in torch, so that a different order of summation in a matrix product may move
an update by some units of bfloat16's last place, 2^-8 of an update: 10 steps of lr 1e-3 stay within 1e-4. Where torch
gives one product and a batch of them to the same library, from 17^3 multiplications on, the bits are the same.
"""

from __future__ import annotations

import copy
import io
import math
import pickle
import re
import warnings
from typing import Any

import pytest
import torch
from cases import assert_close, assert_same_bits, assert_unchanged, buffers, copies, parameters, random, snapshot
from torch import Tensor
from torch.nn import Parameter

import descend

CLASSES = ("Adafactor", "Muon", "SparseAdam")
TOLERANCE = {"Adafactor": (1e-6, 1e-12), "Muon": (1e-4, 1e-4), "SparseAdam": (1e-6, 1e-12)}
each = pytest.mark.parametrize("name", CLASSES)


@pytest.fixture(scope="module")
def optim_db() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_optimizers import optim_db as table
    return {info.optim_cls.__name__: info for info in table}


def start(name: str, dtype: torch.dtype) -> list[Parameter]:
    shapes: list[tuple[int, ...]] = [(9, 3), (9, 3)]
    if name != "SparseAdam":
        shapes = [(7, 5), (7, 5), (3,), (2, 3, 4)] if name == "Adafactor" else [(6, 4), (4, 6), (6, 4)]
    return [Parameter(random(shape, dtype, seed=i)) for i, shape in enumerate(shapes)]


def set_gradients(name: str, params: list[Parameter], step: int) -> None:
    for i, p in enumerate(params):
        grad = random(p.shape, p.dtype, seed=100 * step + i)
        if name == "SparseAdam":
            rows = torch.tensor([[0, 4, 4, step % 9]])  # uncoalesced: row 4 twice
            grad = torch.sparse_coo_tensor(rows, grad[:4], p.shape, check_invariants=True)
        p.grad = grad


def pair(name: str, dtype: torch.dtype, **options: Any) -> tuple[Any, Any, list[Parameter], list[Parameter]]:
    ours, theirs = start(name, dtype), start(name, dtype)
    return getattr(descend, name)(ours, **options), getattr(torch.optim, name)(theirs, **options), ours, theirs


def train(name: str, optimizer: Any, params: list[Parameter], first: int, last: int) -> None:
    for step in range(first, last):
        set_gradients(name, params, step)
        optimizer.step()


def assert_same(name: str, ours: Any, theirs: Any, params: list[Parameter], twins: list[Parameter]) -> None:
    tolerance = TOLERANCE[name][params[0].dtype == torch.float64]
    if isinstance(theirs.param_groups[0]["lr"], Tensor):
        tolerance = max(tolerance, 1e-9)  # torch computes the step size in the Tensor's float32; a step is 1e-3
    assert_close(params, twins, tolerance, "parameter")
    assert list(ours.param_groups[0]) == list(theirs.param_groups[0])
    for p, q in zip(params, twins, strict=True):
        mine, torchs = ours.state[p], theirs.state[q]
        assert list(mine) == list(torchs)
        for key, value in torchs.items():
            if isinstance(value, Tensor):
                assert mine[key].dtype == value.dtype and mine[key].shape == value.shape, key
                assert_close([mine[key].double()], [value.double()], max(tolerance, 1e-6 * (name == "Muon")), key)
            else:
                assert mine[key] == value


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_configuration_of_torch(optim_db: dict[str, Any], name: str, dtype: torch.dtype) -> None:
    configurations = optim_db[name].optim_inputs_func(device="cpu", dtype=dtype)
    assert len(configurations) >= 4
    for given in configurations:
        ours, theirs, params, twins = pair(name, dtype, **given.kwargs)
        train(name, ours, params, 0, 10)
        train(name, theirs, twins, 0, 10)
        assert_same(name, ours, theirs, params, twins)


@each
def test_every_refusal_of_torch(optim_db: dict[str, Any], name: str) -> None:
    errors = optim_db[name].optim_error_inputs_func("cpu", torch.float32)
    assert len(errors) >= 9
    for error in errors:
        given = error.optimizer_error_input
        params = given.params if given.params is not None else parameters([(1, 1)])
        if issubclass(error.error_type, Warning):
            with pytest.warns(error.error_type, match=error.error_regex):
                getattr(descend, name)(params, **given.kwargs)
            continue
        with pytest.raises(error.error_type) as caught, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's table gives plain tensors, which descend warns about
            optimizer = getattr(descend, name)(params, **given.kwargs)
            if error.error_on.name == "STEP_ERROR":
                optimizer.step()
        assert re.search(error.error_regex, str(caught.value)), given.desc


@each
def test_checkpoints_go_both_ways(name: str) -> None:
    ours, theirs, params, twins = pair(name, torch.float32)
    train(name, ours, params, 0, 3)
    train(name, theirs, twins, 0, 3)
    file = io.BytesIO()
    torch.save((ours.state_dict(), theirs.state_dict()), file)
    file.seek(0)
    from_ours, from_theirs = torch.load(file, weights_only=True)
    resumed, torchs = getattr(descend, name)(params), getattr(torch.optim, name)(twins)
    resumed.load_state_dict(from_theirs)
    torchs.load_state_dict(from_ours)
    train(name, resumed, params, 3, 8)
    train(name, torchs, twins, 3, 8)
    assert_same(name, resumed, torchs, params, twins)


@each
def test_groups_late_parameters_and_a_changing_rate(name: str) -> None:
    def run(cls: Any) -> tuple[Any, list[Parameter]]:
        params = start(name, torch.float64)
        optimizer = cls([{"params": params[:1], "lr": 0.02}, {"params": params[1:]}])
        for step in range(6):
            set_gradients(name, params, step)
            if step < 2:
                params[-1].grad = None
            if step == 4:
                optimizer.param_groups[1]["lr"] = 0.005
            optimizer.step()
        return optimizer, params

    (ours, params), (theirs, twins) = run(getattr(descend, name)), run(getattr(torch.optim, name))
    assert_same(name, ours, theirs, params, twins)


@each
def test_a_step_that_raises_has_changed_nothing(name: str) -> None:
    ours, _, params, _ = pair(name, torch.float32)
    train(name, ours, params, 0, 2)
    before = [(p.detach().clone(), {k: torch.as_tensor(v).clone() for k, v in ours.state[p].items()}) for p in params]
    set_gradients(name, params, 2)
    params[-1].grad = random(params[-1].shape, torch.float32)
    if name != "SparseAdam":
        params[-1].grad = params[-1].grad.to_sparse()
    with pytest.raises(RuntimeError):
        ours.step()
    for p, (value, state) in zip(params, before, strict=True):
        assert torch.equal(p, value)
        assert all(torch.equal(torch.as_tensor(ours.state[p][key]), was) for key, was in state.items())


def test_muon_leaves_its_buffer_alone() -> None:
    """torch without Nesterov divides the momentum buffer of a bfloat16 parameter in place (torch_optim A7)."""
    buffers = {}
    for dtype in (torch.bfloat16, torch.float32):
        p = Parameter(random((8, 6), torch.float32).to(dtype))
        optimizer = descend.Muon([p], nesterov=False)
        for step in range(5):
            p.grad = random((8, 6), torch.float32, seed=step).to(torch.bfloat16).to(dtype)
            optimizer.step()
        buffers[dtype] = optimizer.state[p]["momentum_buffer"].float()
    assert_close([buffers[torch.bfloat16]], [buffers[torch.float32]], 2**-7)


def test_muon_flattens_only_when_asked() -> None:
    kernel = random((6, 2, 3, 3), torch.float32)
    with pytest.raises(ValueError, match="Muon only supports 2D parameters"):
        descend.Muon([Parameter(kernel.clone())])
    whole, matrix = Parameter(kernel.clone()), Parameter(kernel.clone().flatten(1))
    grad = random((6, 2, 3, 3), torch.float32, seed=7)
    whole.grad, matrix.grad = grad, grad.flatten(1)
    descend.Muon([whole], flatten=True).step()
    descend.Muon([matrix]).step()
    assert torch.equal(whole.flatten(1), matrix)


def test_adafactor_takes_eps_from_each_parameter_s_dtype() -> None:
    """torch takes it from the first parameter of the call, so a bfloat16 one first all but stops a float32 one (A8)."""

    def moved(*dtypes: torch.dtype) -> float:
        params = [Parameter(torch.zeros(4, 4, dtype=dtype)) for dtype in dtypes]
        for p in params:
            p.grad = torch.full_like(p, 1e-6)
        descend.Adafactor(params, lr=1.0).step()
        return params[-1].abs().max().item()

    assert moved(torch.bfloat16, torch.float32) == moved(torch.float32)


def test_sparse_adam_touches_only_the_rows_present() -> None:
    p = Parameter(random((9, 3), torch.float32))
    before = p.detach().clone()
    p.grad = torch.sparse_coo_tensor(torch.tensor([[1, 7]]), torch.ones(2, 3), (9, 3), check_invariants=True)
    descend.SparseAdam([p]).step()
    assert (p != before).any(dim=1).nonzero().flatten().tolist() == [1, 7]


def side_by_side(
    name: str, start: list[Tensor], gradients: Any, steps: int = 5, **options: Any
) -> tuple[Any, Any, list[Parameter], list[Parameter]]:
    """Ours and torch's after some steps; `gradients(step, parameter, number)` makes both sides' gradients."""
    params, twins = copies(start), copies(start)
    ours, theirs = getattr(descend, name)(params, **options), getattr(torch.optim, name)(twins, **options)
    for step in range(steps):
        for optimizer, who in ((ours, params), (theirs, twins)):
            for i, p in enumerate(who):
                p.grad = gradients(step, p, i)
            optimizer.step()
    return ours, theirs, params, twins


def drawn(step: int, p: Tensor, i: int) -> Tensor:
    """Gradients on scales of 1 to 1/1000, with three rows that are next to nothing."""
    grad = random(p.shape, p.dtype, seed=100 * step + i) * 10.0 ** -(step % 4)
    if p.ndim > 1:
        grad[..., :3, :] *= 1e-9
    return grad


SHAPES = [(32, 32), (32,), (32, 32), (32,), (), (5, 7, 3), (3, 4, 5, 6), (1, 9), (9, 1), (1,), (1, 1)]
ADAFACTOR = [
    dict(weight_decay=0.1, maximize=True),
    dict(eps=(1e-10, 1e-2), d=1.5, beta2_decay=-0.5),
    dict(eps=(1e-2, 1e-3), lr=0.05),
    dict(d=math.inf),
    dict(foreach=True),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("options", ADAFACTOR, ids=str)
def test_adafactor_on_many_shapes(options: dict[str, Any], dtype: torch.dtype) -> None:
    start = [random(shape, dtype, seed=i) for i, shape in enumerate(SHAPES)]
    ours, theirs, params, twins = side_by_side("Adafactor", start, drawn, 20, **options)
    assert_same("Adafactor", ours, theirs, params, twins)


LARGE = [(1100, 1000), (3, 700, 600), (2, 600_000), (600_000, 2), (600, 50, 40)]


@pytest.mark.parametrize("rows", ["some rows next to nothing", "all rows alike"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_adafactor_in_blocks(shape: tuple[int, ...], dtype: torch.dtype, rows: str) -> None:
    """Large parameters are worked on in blocks, by another path where no element of the variance is clamped.

    Float32 sums over a million elements differ by their order, by 1e-5 in torch itself; so the yardstick there is
    torch.optim in float64, and ours must be as near to it as 2e-6, which torch's float32 is not always.
    """
    assert math.prod(shape) > 1 << 20

    def gradients(step: int, p: Tensor, i: int) -> Tensor:
        grad = drawn(step, p, i) if rows.startswith("some") else random(p.shape, p.dtype, seed=step)
        return grad.float().to(p.dtype)

    options = dict(weight_decay=0.1, eps=(torch.finfo(torch.float32).eps, 1e-3))
    wide = random(shape, torch.float32, seed=1).double()
    _, theirs, _, (q,) = side_by_side("Adafactor", [wide], gradients, 3, **options)
    ours, _, (p,), _ = side_by_side("Adafactor", [wide.to(dtype)], gradients, 3, **options)
    tolerance = 2e-6 if dtype == torch.float32 else 1e-12
    assert_close([p.double()], [q], tolerance)
    for key in ("row_var", "col_var"):
        assert_close([ours.state[p][key].double()], [theirs.state[q][key]], tolerance, key)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_adafactor_on_any_layout(dtype: torch.dtype) -> None:
    """Transposed, strided and channels-last parameters, small and large, with gradients laid out otherwise."""
    base = [random((40, 30), dtype, 1).t(), random((12, 8), dtype, 2)[::2], random((1000, 1100), dtype, 3).t()]
    base.append(random((6, 4, 3, 3), dtype, 4).to(memory_format=torch.channels_last))
    base.append(random((600, 220, 3, 3), dtype, 5).to(memory_format=torch.channels_last))

    def run(strides: bool) -> tuple[list[Tensor], Any]:
        params = [Parameter(x if strides else x.contiguous()) for x in [b.clone() for b in base]]
        optimizer = descend.Adafactor(params)
        for step in range(3):
            for i, p in enumerate(params):
                grad = random(p.shape, dtype, seed=10 * step + i)
                p.grad = grad.mT.contiguous().mT if strides and step else grad
            optimizer.step()
        return [p.detach() for p in params], buffers(optimizer, params)

    (strided, state), (plain, other) = run(True), run(False)
    assert any(not p.is_contiguous() for p in strided)
    assert_close(strided, plain, 1e-6 if dtype == torch.float32 else 1e-12)
    assert_close(state, other, 1e-6 if dtype == torch.float32 else 1e-12)


def test_adafactor_where_torch_fails() -> None:
    """Empty parameters (torch divides by zero), and gradients whose factors multiplied are beyond float32."""
    empty, p = Parameter(torch.empty(0, 3)), Parameter(torch.ones(4, 4))
    empty.grad, p.grad = torch.empty(0, 3), random((4, 4), torch.float32) * 1e12
    descend.Adafactor([empty, p], lr=0.1).step()
    (twin,) = copies([torch.ones(4, 4)])
    twin.grad = random((4, 4), torch.float32)  # u does not depend on the gradient's scale
    descend.Adafactor([twin], lr=0.1).step()
    assert_close([p], [twin], 1e-6)
    (q,) = copies([torch.ones(4, 4)])
    q.grad = p.grad.clone()
    torch.optim.Adafactor([q], lr=0.1).step()
    assert torch.equal(q, torch.ones(4, 4)), "torch.optim has learnt it: drop this from the differences"


@pytest.mark.parametrize("shape", [(6,), (6, 4)], ids=str)
@pytest.mark.parametrize("others", [0, 2])
def test_adafactor_keeps_nan_where_torch_does(shape: tuple[int, ...], others: int) -> None:
    def gradients(step: int, p: Tensor, i: int) -> Tensor:
        grad = drawn(step, p, i)
        if step == 2 and i == 0:
            grad.view(-1)[1] = torch.nan
        return grad

    start = [random(shape, seed=i) for i in range(1 + others)]
    _, _, params, twins = side_by_side("Adafactor", start, gradients, 4)
    for p, q in zip(params, twins, strict=True):
        assert torch.equal(p.isnan(), q.isnan())
        assert_close([p.detach().nan_to_num()], [q.detach().nan_to_num()], 1e-6)


@pytest.mark.parametrize("cls", ["Adafactor", "Muon"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_computed_in_float32(cls: str, dtype: torch.dtype) -> None:
    """A step from half precision is the step from the same numbers in float32, rounded, alone and in company."""
    start = [random((16, 12), dtype, seed=i) for i in range(3)] + [random((12, 16), dtype)]
    options: dict[str, Any] = dict(lr=0.1) if cls == "Muon" else dict(lr=0.1, eps=(1e-6, 1e-3))
    results = []
    for wide in (False, True):
        params = copies([x.float() if wide else x for x in start])
        for i, p in enumerate(params):
            p.grad = random(p.shape, dtype, seed=50 + i).to(p.dtype)
        optimizer = getattr(descend, cls)(params, **options)
        optimizer.step()
        results.append([x.detach().to(dtype) for x in params])
        assert wide or all(t.dtype == dtype for t in buffers(optimizer, params) if t.ndim)
    if cls == "Muon":  # the momentum is stored before it is used, rounded here and not there, and bfloat16 follows
        assert_close(results[0], results[1], 2**-7)
    else:
        assert_same_bits(*results)


@each
def test_a_parameter_that_stands_in_a_group_twice_is_updated_twice(name: str) -> None:
    results = []
    for package in (descend, torch.optim):
        params = start(name, torch.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "duplicate parameters", from both
            optimizer = getattr(package, name)([params[0], params[1], params[0]])
        train(name, optimizer, params, 0, 3)
        results.append((optimizer, params))
    (ours, params), (theirs, twins) = results
    assert_same(name, ours, theirs, params[:2], twins[:2])


@each
def test_pickle_and_deepcopy_go_on_alike(name: str) -> None:
    ours, _, params, _ = pair(name, torch.float32)
    train(name, ours, params, 0, 2)
    for p in params:
        p.grad = None  # deepcopy of a tensor refuses a gradient that is sparse
    restored = [copy.deepcopy((ours, params)), pickle.loads(pickle.dumps((ours, params)))]
    train(name, ours, params, 2, 4)
    for optimizer, others in restored:
        assert list(optimizer.defaults) == list(ours.defaults)
        assert [list(g) for g in optimizer.param_groups] == [list(g) for g in ours.param_groups]
        train(name, optimizer, others, 2, 4)
        assert_same_bits(others, params)


def test_flatten_survives_pickling() -> None:
    kernel = Parameter(random((4, 2, 3), torch.float32))
    optimizer = pickle.loads(pickle.dumps(descend.Muon([kernel], flatten=True)))
    optimizer.add_param_group(dict(params=[Parameter(random((2, 2, 2), torch.float32))]))
    with pytest.raises(ValueError, match="flatten=True takes it as a matrix"):
        descend.Muon([torch.zeros(2, 2).requires_grad_()]).add_param_group(dict(params=[kernel]))
    with pytest.raises(ValueError, match=r"found a parameter with size: torch.Size\(\[3\]\) \('bias'"):
        descend.Muon([("bias", Parameter(torch.ones(3)))], flatten=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        dict(lr=0.1, weight_decay=0.3),
        dict(lr=0.01, nesterov=False),
        dict(lr=0.1, adjust_lr_fn="match_rms_adamw", ns_steps=6),
        dict(lr=0.1, adjust_lr_fn="original", momentum=0.5, ns_coefficients=(3.4, -4.7, 2.0)),
        dict(lr=0.1, ns_steps=0),
    ],
    ids=str,
)
def test_muon_is_torch_s_to_the_bit(options: dict[str, Any], dtype: torch.dtype) -> None:
    """Square, wide and tall matrices, in batches and alone."""
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("without a library for bfloat16 products torch sums a batch and a matrix in different orders")
    shapes = [(64, 64)] * 3 + [(32, 48)] * 2 + [(48, 32)] * 3 + [(130, 70), (33, 257)]
    start = [random(shape, dtype, seed=i) for i, shape in enumerate(shapes)]
    ours, theirs, params, twins = side_by_side("Muon", start, drawn, 6, **options)
    assert_same_bits(params, twins)
    assert_same_bits(buffers(ours, params), buffers(theirs, twins))


def test_muon_makes_singular_values_of_about_one() -> None:
    p = Parameter(torch.zeros(48, 32))
    p.grad = random((48, 32), torch.float32) @ torch.diag(torch.logspace(0, -2, 32))
    descend.Muon([p], lr=1.0, adjust_lr_fn="original").step()
    values = torch.linalg.svdvals(p.detach()) / math.sqrt(48 / 32)
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_muon_of_a_zero_gradient_only_decays() -> None:
    p = Parameter(torch.ones(4, 4))
    p.grad = torch.zeros(4, 4)
    descend.Muon([p], lr=0.1, weight_decay=0.5).step()
    assert_close([p], [torch.full((4, 4), 0.95)], 1e-7)


WRONG = [
    ("Adafactor", dict(lr=math.nan), "Learning rate should be >= 0 but is: nan"),
    ("Adafactor", dict(lr=-1.0), "Learning rate should be >= 0 but is: -1.0"),
    ("Adafactor", dict(beta2_decay=math.nan), "beta2_decay should be <= 0 but is: nan"),
    ("Adafactor", dict(beta2_decay=0.1), "beta2_decay should be <= 0 but is: 0.1"),
    ("Adafactor", dict(eps=(-1.0, 1e-3)), "epsilon1 should be >= 0 but is: -1.0"),
    ("Adafactor", dict(eps=(None, math.nan)), "epsilon2 should be >= 0 but is: nan"),
    ("Adafactor", dict(eps=1e-8), "eps must be a pair"),
    ("Adafactor", dict(d=math.nan), "Clipping threshold d should be >= 1 but is: nan"),
    ("Adafactor", dict(weight_decay=math.inf), "weight_decay should be >= 0 but is: inf"),
    ("Muon", dict(lr=math.inf), "Learning rate should be >= 0 but is: inf"),
    ("Muon", dict(momentum=-0.1), "momentum should be >= 0 but is: -0.1"),
    ("Muon", dict(momentum=1.5), "momentum should be >= 0 but is: 1.5 (momentum must be 0 <= momentum <= 1)"),
    ("Muon", dict(weight_decay=-1), "weight decay should be >= 0 but is: -1"),
    ("Muon", dict(eps=-1e-7), "epsilon should be >= 0 but is: -1e-07"),
    ("Muon", dict(ns_steps=-1), "Number of steps must be an integer >= 0, got ns_steps=-1"),
    ("Muon", dict(ns_steps=2.5), "Number of steps must be an integer >= 0, got ns_steps=2.5"),
    ("Muon", dict(ns_steps=100), "Number of steps must be less than 100 for computational efficiency"),
    ("Muon", dict(ns_coefficients=(1.0, 2.0)), "Coefficients must be a tuple of exactly 3 values"),
    ("Muon", dict(ns_coefficients=(1.0, 2.0, math.nan)), "Coefficients must be finite but one is: nan"),
    ("Muon", dict(adjust_lr_fn="none"), "Adjust learning rate function none is not supported"),
    ("SparseAdam", dict(lr=math.nan), "Invalid learning rate: nan"),
    ("SparseAdam", dict(eps=math.inf), "Invalid epsilon value: inf"),
    ("SparseAdam", dict(betas=(0.9,)), "betas must be a pair"),
]


@pytest.mark.parametrize(("name", "options", "text"), WRONG, ids=str)
def test_values_that_are_not_allowed(name: str, options: dict[str, Any], text: str) -> None:
    """At construction, in a group, and when a group's value is changed: then the step changes nothing."""
    cls = getattr(descend, name)
    params = start(name, torch.float32)
    with pytest.raises(ValueError, match=re.escape(text)):
        cls(params, **options)
    with pytest.raises(ValueError, match=re.escape(text)):
        cls([dict(params=params, **options)])
    optimizer = cls(params)
    train(name, optimizer, params, 0, 1)
    before = snapshot(optimizer)
    optimizer.param_groups[0].update(options)
    with pytest.raises(ValueError, match=re.escape(text)):
        train(name, optimizer, params, 1, 2)
    assert [p.detach().tolist() for p in params] == [p.tolist() for p in before[0]]
    for p, was in zip(params, before[1], strict=True):
        assert all(torch.equal(torch.as_tensor(optimizer.state[p][k]), torch.as_tensor(v)) for k, v in was.items())


@each
def test_engines_and_explain(name: str) -> None:
    params = start(name, torch.float32)
    with pytest.raises(ValueError, match="has no native kernels"):
        getattr(descend, name)(params, engine="cpu")
    names = [f"w{i}" for i in range(len(params))]
    optimizer = getattr(descend, name)(list(zip(names, params, strict=True)), engine="eager")
    train(name, optimizer, params, 0, 1)
    explanation = optimizer.explain(quiet=True)
    assert sorted(n for n, _ in explanation.engines["eager"]) == names
    assert list(explanation.engines) == ["eager"]
    held = [v for state in optimizer.state.values() for v in state.values() if isinstance(v, Tensor)]
    assert explanation.state_bytes == sum(v.numel() * v.element_size() for v in held)
    assert "p <- " in str(explanation)


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_checkpoints_by_name_that_do_not_fit(name: str) -> None:
    """By name, in another order, in its own dtype; a shape that does not fit is refused with both shapes."""
    cls = getattr(descend, name)
    shapes = [(4, 3), (3, 5)]
    params = [Parameter(random(s, torch.float32, seed=i)) for i, s in enumerate(shapes)]
    optimizer = cls([("a", params[0]), ("b", params[1])])
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    saved = optimizer.state_dict()
    for state in saved["state"].values():
        state.update({k: v.double() for k, v in state.items() if k != "step"})
    twins = copies(params[::-1])
    other = cls([("b", twins[0]), ("a", twins[1])])
    other.load_state_dict(saved)
    for p, q in zip(params, twins[::-1], strict=True):
        assert_same_bits(other.state[q].values(), optimizer.state[p].values())
        assert all(
            v.dtype == torch.float64 and v is not optimizer.state[p][k]
            for k, v in other.state[q].items()
            if k != "step"
        )
        q.grad = torch.ones_like(q)
    other.step()
    smaller = cls([("a", Parameter(torch.ones(4, 2))), ("b", Parameter(torch.ones(3, 5)))])
    key, theirs = ("col_var", r"\(1, 3\)") if name == "Adafactor" else ("momentum_buffer", r"\(4, 3\)")
    with pytest.raises(ValueError, match=rf"parameter a: '{key}' has shape {theirs} .* shape \(4, 2\)"):
        smaller.load_state_dict(saved)
    assert not smaller.state
    foreign = descend.SGD([("a", params[0]), ("b", params[1])], momentum=0.9)
    foreign.step()
    if name == "Adafactor":
        with pytest.raises(ValueError, match="is it the checkpoint of another optimizer than Adafactor"):
            optimizer.load_state_dict(foreign.state_dict())


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_state_that_does_not_fit_is_refused_at_the_step(name: str) -> None:
    params = [Parameter(torch.ones(4, 3)), Parameter(torch.ones(4, 3))]
    optimizer = getattr(descend, name)([("a", params[0]), ("b", params[1])])
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    params[1].grad = None
    params[1].data = torch.ones(5, 3)
    params[1].grad = torch.ones(5, 3)
    before = snapshot(optimizer)
    with pytest.raises(RuntimeError, match=r"b: state '\w+' has shape \(4, \d\), \(5, \d\) is needed"):
        optimizer.step()
    assert_unchanged(optimizer, before)


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_hooks_closure_and_zero_grad(name: str) -> None:
    p = Parameter(random((4, 3), torch.float32))
    optimizer = getattr(descend, name)([p])
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))

    def closure() -> Tensor:
        seen.append("closure")
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(3)]
    assert seen == 3 * ["before", "closure", "after"]
    assert losses[2] < losses[1] < losses[0]
    optimizer.zero_grad()
    assert p.grad is None


class Scaled(Tensor):
    """A subclass with an operation that it lacks."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("add_", "_foreach_add_"):
            raise NotImplementedError("Scaled has no add_")
        return super().__torch_function__(func, types, args, kwargs or {})


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_a_tensor_subclass_that_fails_leaves_everything(name: str) -> None:
    plain, foreign = Parameter(random((4, 3), torch.float32)), random((4, 3), torch.float32).as_subclass(Scaled)
    foreign.requires_grad_()
    optimizer = getattr(descend, name)([plain, foreign])
    plain.grad, foreign.grad = torch.ones(4, 3), torch.ones(4, 3)
    before = plain.detach().clone()
    with pytest.raises(NotImplementedError):
        optimizer.step()
    assert torch.equal(plain, before)
    assert not any(optimizer.state.values())


@each
def test_a_rate_in_a_tensor_is_read_at_every_step(name: str) -> None:
    params, twins = start(name, torch.float64), start(name, torch.float64)
    rate = torch.tensor(0.01, dtype=torch.float64)
    ours, theirs = getattr(descend, name)(params, lr=rate), getattr(torch.optim, name)(twins, lr=0.01)
    for step in range(4):
        train(name, ours, params, step, step + 1)
        train(name, theirs, twins, step, step + 1)
        rate.mul_(0.5)
        theirs.param_groups[0]["lr"] *= 0.5
    assert_close(params, twins, TOLERANCE[name][1])
