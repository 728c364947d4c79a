"""descend.swa_utils.AveragedModel: numbers against float64, torch's class as it is and as it should be, checkpoints."""

import copy
import gc
import io
import pickle
import warnings
import weakref
from collections.abc import Callable

import pytest
import torch
import torch.optim.swa_utils as torch_swa
from torch import Tensor, nn

import descend
from descend import swa_utils

BOTH = pytest.mark.parametrize("library", [torch_swa, swa_utils], ids=["torch", "descend"])


def small(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)).to(dtype)


@torch.no_grad()
def train(model: nn.Module) -> None:
    """In place of a training step: other parameters, other buffers."""
    for p in model.parameters():
        p.add_(torch.randn(p.shape).to(p.dtype))
    for b in model.buffers():
        b.add_(torch.randn(b.shape).to(b.dtype) if b.is_floating_point() else 1)


def oracle(values: list[Tensor], decay: float | None) -> Tensor:
    """The average of these values in float64: the plain mean, or exponential from the first one on."""
    wide = [v.to(torch.complex128 if v.is_complex() else torch.float64) for v in values]
    if decay is None:
        return sum(wide[1:], wide[0]) / len(wide)
    average = wide[0]
    for value in wide[1:]:
        average = decay * average + (1 - decay) * value
    return average


def functions(library: object, decay: float | None, kind: str) -> dict[str, object]:
    name = f"get_{'swa' if decay is None else 'ema'}_{kind}"
    make: Callable[..., object] = getattr(library, name)
    return {kind: make() if decay is None else make(decay)}


# ------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("decay", [None, 0.0, 0.25, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("kind", ["avg_fn", "multi_avg_fn"])
@pytest.mark.parametrize("engine", ["cpu", "eager"])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 2e-6), (torch.float64, 1e-14), (torch.complex64, 2e-6)])
def test_averages_are_those_of_the_oracle_and_of_torch(decay, kind, engine, dtype, rtol):
    """20 models; rounding errors of 20 updates, each half a unit in the last place of values below 20."""
    model = nn.Module()
    model.weight = nn.Parameter(torch.randn(7, 3, dtype=dtype))
    ours = swa_utils.AveragedModel(model, **functions(swa_utils, decay, kind), engine=engine)
    theirs = torch_swa.AveragedModel(model, **functions(torch_swa, decay, kind))
    values = []
    for _ in range(20):
        train(model)
        values.append(model.weight.detach().clone())
        ours.update_parameters(model)
        theirs.update_parameters(model)
    expected = oracle(values, decay).to(dtype)
    torch.testing.assert_close(ours.module.weight.detach(), expected, rtol=rtol, atol=10 * rtol)
    if decay is None and kind == "multi_avg_fn":
        rtol = 2e-6  # torch's 1 / Tensor(n + 1) is float32, for float64 averages, too
    torch.testing.assert_close(theirs.module.weight.detach(), expected, rtol=rtol, atol=10 * rtol)
    assert int(ours.n_averaged) == int(theirs.n_averaged) == 20


@BOTH
def test_equal_weights_in_float64_are_float64(library):
    """torch divides 1 by a Tensor of integers, which gives float32: a tenth is off by 1.5e-9."""
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    average = library.AveragedModel(model, multi_avg_fn=library.get_swa_multi_avg_fn())
    for value in range(10):
        nn.init.constant_(model.weight, value == 9)
        average.update_parameters(model)
    assert (abs(average.module.weight.item() - 0.1) < 1e-17) == (library is swa_utils)


def test_decay_of_zero_gives_the_model_itself_and_one_the_first_model():
    model, first = small(), None
    newest = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.0))
    oldest = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(1.0))
    for _ in range(3):
        train(model)
        first = first or copy.deepcopy(model.state_dict())
        newest.update_parameters(model)
        oldest.update_parameters(model)
    for name, p in model.named_parameters():
        assert torch.equal(newest.module.get_parameter(name), p)
        assert torch.equal(oldest.module.get_parameter(name), first[name])


@pytest.mark.parametrize("decay", [None, 0.9])
def test_functions_alone_are_torchs(decay):
    averaged, current, n = torch.randn(50), torch.randn(50), torch.tensor(3)
    expected = functions(torch_swa, decay, "avg_fn")["avg_fn"](averaged, current, n)
    result = functions(swa_utils, decay, "avg_fn")["avg_fn"](averaged, current, n)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-6)  # two roundings of values below 5
    functions(swa_utils, decay, "multi_avg_fn")["multi_avg_fn"]([averaged], [current], 3)
    assert torch.equal(averaged, result)


def test_our_functions_work_in_torchs_class_and_torchs_in_ours():
    model = small()
    pairs = [
        (torch_swa.AveragedModel, swa_utils.get_ema_multi_avg_fn(0.9)),
        (swa_utils.AveragedModel, torch_swa.get_ema_multi_avg_fn(0.9)),
        (swa_utils.AveragedModel, swa_utils.get_ema_multi_avg_fn(0.9)),
    ]
    averages = [make(model, multi_avg_fn=function) for make, function in pairs]
    for _ in range(4):
        train(model)
        for average in averages:
            average.update_parameters(model)
    for a, b, c in zip(*(average.parameters() for average in averages), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)  # three updates of values below 10
        torch.testing.assert_close(a, c, rtol=1e-6, atol=1e-6)


@BOTH
def test_functions_of_the_users_own_get_what_torch_gives(library):
    seen = []

    def one(averaged, current, n):
        seen.append((averaged.shape, current.requires_grad, int(n)))
        return averaged + current

    def many(averaged, current, n):
        seen.append((len(averaged), len(current), int(n)))
        torch._foreach_add_(averaged, current)

    model = nn.Linear(2, 2)
    start = model.weight.detach().clone()
    for option in (dict(avg_fn=one), dict(multi_avg_fn=many)):
        average = library.AveragedModel(model, **option)
        average.update_parameters(model)
        average.update_parameters(model)
        assert torch.equal(average.module.weight, 2 * start)
    assert seen == [((2, 2), False, 1), ((2,), False, 1), (2, 2, 1)]


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("make", [swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn])
def test_bad_decay_is_refused_in_torchs_words(decay, make):
    with pytest.raises(ValueError, match=r"Invalid decay value .* provided. Please provide a value in \[0,1\] range"):
        make(decay)


def test_other_bad_arguments_are_refused():
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn should be provided"):
        swa_utils.AveragedModel(small(), avg_fn=lambda *_: None, multi_avg_fn=lambda *_: None)
    with pytest.raises(ValueError, match="engine must be"):
        swa_utils.AveragedModel(small(), engine="gpu")


def test_it_is_torchs_class_for_trainers():
    average = swa_utils.AveragedModel(small())
    assert isinstance(average, torch_swa.AveragedModel)
    assert average.n_averaged.dtype == torch.int64
    assert average(torch.randn(4, 3)).shape == (4, 2)
    assert descend.swa_utils is swa_utils
    assert set(swa_utils.__all__) == set(torch_swa.__all__)


# ------------------------------------------------------------------------------------------------------ half precision


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("engine", ["cpu", "eager"])
@BOTH
def test_ema_in_half_precision_follows_float64(library, engine, dtype):
    """At decay 0.999 from 1 to 2 an update is 0.001, below half a unit in the last place: torch's never moves."""
    model = nn.Linear(40, 3, bias=False, dtype=dtype)
    nn.init.constant_(model.weight, 1.0)
    option = {"engine": engine} if library is swa_utils else {}
    average = library.AveragedModel(model, multi_avg_fn=library.get_ema_multi_avg_fn(0.999), **option)
    average.update_parameters(model)
    nn.init.constant_(model.weight, 2.0)
    exact = 1.0
    for _ in range(3000):
        average.update_parameters(model)
        exact += 0.001 * (2.0 - exact)
    off = (average.module.weight.double() - exact).abs().max().item()
    unit = torch.finfo(dtype).eps  # of the last place, between 1 and 2
    if library is torch_swa:
        assert off > (0.9 if dtype == torch.bfloat16 else unit)
    else:
        assert off <= unit / 2 + 1e-5  # rounded once; float32 itself is 1e-5 off after 3000 updates
        kept = average.state_dict()["module.weight"]
        assert kept.dtype == torch.float32
        assert (kept.double() - exact).abs().max() < 1e-5


@pytest.mark.parametrize("engine", ["cpu", "eager"])
def test_whoever_writes_to_a_half_precision_average_is_heard(engine):
    """Also through .data, which no version counter sees; what nobody touched keeps its float32 value."""
    model = nn.Linear(2, 1, bias=False, dtype=torch.bfloat16)
    average = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.999), engine=engine)
    for value in (1.0, 2.0, 2.0):
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
    average.module.weight.data[0, 0] = 8.0
    kept = average.state_dict()["module.weight"]
    assert kept[0].tolist() == pytest.approx([8.0, 2 - 0.999**2], rel=1e-7)
    average.update_parameters(model)
    assert average.state_dict()["module.weight"][0].tolist() == pytest.approx([7.994, 2 - 0.999**3], rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_leaving_half_precision_gives_back_what_rounding_took(dtype):
    model = nn.Linear(4, 4, dtype=dtype)
    average = swa_utils.AveragedModel(model)
    for _ in range(5):
        train(model)
        average.update_parameters(model)
    kept = average.state_dict()
    average.float()
    assert torch.equal(average.module.weight, kept["module.weight"])
    assert not torch.equal(average.module.weight, average.module.weight.to(dtype).float())
    train(model)
    average.update_parameters(model)  # a model in half precision, an average in float32
    expected = kept["module.weight"] + (model.weight.float() - kept["module.weight"]) / 6
    torch.testing.assert_close(average.module.weight.detach(), expected.detach(), rtol=1e-6, atol=1e-6)


def test_average_and_model_may_be_of_different_dtypes():
    model = nn.Linear(4, 4)
    average = swa_utils.AveragedModel(model).to(torch.float64)
    values = []
    for dtype in (torch.float32, torch.bfloat16, torch.float32, torch.float16):
        train(model)
        model.to(dtype)
        values.append(model.weight.detach().clone())
        average.update_parameters(model)
    torch.testing.assert_close(average.module.weight.detach(), oracle(values, None), rtol=1e-15, atol=1e-15)


# ------------------------------------------------------------------------------------------------------------- buffers


@pytest.mark.parametrize("decay", [None, 0.999])
@BOTH
def test_integer_buffers_are_counts_not_averages(library, decay):
    """torch's mean of integers raises, its exponential average of a count stays where it was."""
    model = small()
    average = library.AveragedModel(model, use_buffers=True, **functions(library, decay, "multi_avg_fn"))
    means, failed = [], ""
    for _ in range(5):
        train(model)
        means.append(model[1].running_mean.clone())
        try:
            average.update_parameters(model)
        except RuntimeError as error:
            failed = str(error)
            break
    if library is torch_swa:
        assert (
            failed.startswith("Integer division") if decay is None else int(average.module[1].num_batches_tracked) < 5
        )
    else:
        assert int(average.module[1].num_batches_tracked) == 5
        expected = oracle(means, decay).float()
        torch.testing.assert_close(average.module[1].running_mean, expected, rtol=1e-6, atol=1e-6)


def test_buffers_are_copied_unless_averaged():
    model = small()
    average = swa_utils.AveragedModel(model)
    for _ in range(3):
        train(model)
        average.update_parameters(model)
    for ours, theirs in zip(average.module.buffers(), model.buffers(), strict=True):
        assert torch.equal(ours, theirs)


# ------------------------------------------------------------------------------------------------------------ matching


class Named(nn.Module):
    """A module with parameters of these names and shapes."""

    def __init__(self, **shapes: tuple[int, ...]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape)))


MISMATCHES = {
    "shape": (dict(a=(3, 1), b=(2,)), dict(a=(1, 1), b=(2,)), r"a has shape \(3, 1\) in the average, \(1, 1\)"),
    "missing": (dict(a=(3,), b=(2,)), dict(a=(3,)), "parameters of the average that the model lacks: b"),
    "more": (dict(a=(3,)), dict(a=(3,), b=(2,)), "parameters of the model that the average lacks: b"),
    "renamed": (dict(a=(3,), b=(3,)), dict(a=(3,), c=(3,)), "lacks: b; .* lacks: c"),
}


@pytest.mark.parametrize("case", MISMATCHES)
@pytest.mark.parametrize("updates", [0, 2])
@BOTH
def test_a_model_that_does_not_match_is_refused_and_nothing_changed(library, updates, case):
    ours, theirs, message = MISMATCHES[case]
    model, other = Named(**ours), Named(**theirs)
    average = library.AveragedModel(model)
    for _ in range(updates):
        average.update_parameters(model)
    before = copy.deepcopy(average.state_dict())
    if library is torch_swa:  # broadcasts, or leaves out what has no partner
        average.update_parameters(other)
        assert int(average.n_averaged) == updates + 1
        return
    with pytest.raises(ValueError, match=message):
        average.update_parameters(other)
    assert all(torch.equal(before[key], value) for key, value in average.state_dict().items())


@BOTH
def test_names_count_not_the_order_of_registration(library):
    model, other = Named(a=(3,), b=(3,)), Named(b=(3,), a=(3,))
    average = library.AveragedModel(model)
    average.update_parameters(other)
    assert torch.equal(average.module.a, other.a) == (library is swa_utils)


def test_wrappers_around_the_model_do_not_count():
    model = small()
    average = swa_utils.AveragedModel(model)
    train(model)
    average.update_parameters(nn.DataParallel(model))
    average.update_parameters(torch.compile(model, backend="eager"))
    assert torch.equal(average.module[0].weight, model[0].weight)
    wrapped = swa_utils.AveragedModel(nn.DataParallel(model))
    wrapped.update_parameters(model)
    assert torch.equal(wrapped.module.module[0].weight, model[0].weight)


def test_shared_parameters_are_averaged_once_and_stay_shared():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    average = swa_utils.AveragedModel(model)
    values = []
    for _ in range(3):
        train(model)
        values.append(model[0].weight.detach().clone())
        average.update_parameters(model)
    assert average.module[1].weight is average.module[0].weight
    torch.testing.assert_close(average.module[0].weight.detach(), oracle(values, None).float(), rtol=1e-6, atol=1e-6)
    model[1].weight = nn.Parameter(torch.randn(3, 3))
    with pytest.raises(ValueError, match=r"0.weight and 1.weight are one tensor in the average, but two in the model"):
        average.update_parameters(model)


# --------------------------------------------------------------------------------------------- checkpoints and copies


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("use_buffers", [False, True])
def test_checkpoints_load_both_ways(dtype, use_buffers):
    model = small(dtype)
    ours, theirs = (lib.AveragedModel(model, use_buffers=use_buffers) for lib in (swa_utils, torch_swa))
    ema = torch_swa.get_ema_multi_avg_fn(0.9)
    theirs.multi_avg_fn = ema  # torch cannot average integer buffers otherwise
    for _ in range(3):
        train(model)
        ours.update_parameters(model)
        theirs.update_parameters(model)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    there = torch_swa.AveragedModel(small(dtype), use_buffers=use_buffers)
    there.load_state_dict(ours.state_dict())  # strict
    for a, b in zip(there.module.state_dict().values(), ours.module.state_dict().values(), strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)
    here = swa_utils.AveragedModel(small(dtype), use_buffers=use_buffers)
    here.load_state_dict(theirs.state_dict())
    for a, b in zip(here.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("how", ["state_dict", "nested", "pickle", "deepcopy"])
def test_a_run_continues_exactly(dtype, how):
    model = small(dtype)
    options = {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.99), "use_buffers": True}
    whole = swa_utils.AveragedModel(model, **options)
    for _ in range(6):
        train(model)
        whole.update_parameters(model)
    if how == "deepcopy":
        resumed = copy.deepcopy(whole)
    elif how == "pickle":
        resumed = pickle.loads(pickle.dumps(whole))
    else:
        resumed = swa_utils.AveragedModel(small(dtype), **options)
        source, target = whole, resumed
        if how == "nested":  # the average as a part of somebody's module
            source, target = nn.ModuleDict({"ema": whole}), nn.ModuleDict({"ema": resumed})
        file = io.BytesIO()
        torch.save(source.state_dict(), file)
        file.seek(0)
        target.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(4):
        train(model)
        whole.update_parameters(model)
        resumed.update_parameters(model)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_keep_vars_and_the_module_itself_give_the_parameters():
    model = small(torch.bfloat16)
    average = swa_utils.AveragedModel(model)
    average.update_parameters(model)
    assert average.state_dict(keep_vars=True)["module.0.weight"] is average.module[0].weight
    assert average.module.state_dict()["0.weight"].dtype == torch.bfloat16
    assert average.state_dict(prefix="x.")["x.module.0.weight"].dtype == torch.float32


def test_the_trained_model_is_not_kept_alive():
    model = small()
    average = swa_utils.AveragedModel(model)
    for _ in range(2):
        average.update_parameters(model)
    alive = [weakref.ref(model), weakref.ref(model[0].weight)]
    del model
    gc.collect()
    assert [ref() for ref in alive] == [None, None]
    average.update_parameters(small())
    assert int(average.n_averaged) == 3


def test_no_gradient_and_no_warning_come_from_an_update():
    model = small()
    average = swa_utils.AveragedModel(model)
    model(torch.randn(4, 3)).sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            average.update_parameters(model)
    assert all(p.grad is None and p.requires_grad and p.is_leaf for p in average.parameters())
    assert all(p.grad is not None for p in model.parameters())
