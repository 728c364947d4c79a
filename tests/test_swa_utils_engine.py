"""The update of averages as one launch: bit for bit the eager engine's, right whatever has changed in between."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from descend import swa_utils
from descend.engines import cpu, plan

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64]


class Held(nn.Module):
    """A module that holds these tensors as parameters."""

    def __init__(self, *tensors: torch.Tensor) -> None:
        super().__init__()
        self.held = nn.ParameterList(nn.Parameter(t) for t in tensors)

    def renew(self) -> None:
        with torch.no_grad():
            for p in self.held:
                p.copy_(torch.randn(p.shape, dtype=torch.float64).to(p.dtype) * 3)


def ema(model: nn.Module, decay: float | None = 0.9, engine: str = "cpu", **options: object) -> swa_utils.AveragedModel:
    function = swa_utils.get_swa_multi_avg_fn() if decay is None else swa_utils.get_ema_multi_avg_fn(decay)
    return swa_utils.AveragedModel(model, multi_avg_fn=function, engine=engine, **options)


def launches(average: swa_utils.AveragedModel) -> list[int]:
    """How many tensors each native launch of the last update took."""
    launch = average._update._launch
    return [len(one.jobs) for one in launch._plan.launches]


def rest(average: swa_utils.AveragedModel) -> int:
    """How many tensors the eager engine took in the last update."""
    return len(average._update._launch._rest)


@pytest.fixture
def counted(monkeypatch):
    """Counts calls of native launches."""
    calls = []
    run = plan.Launch.run

    def counting(self, *mode):
        if not mode:  # the whole of it; a check has a mode
            calls.append(self)
        return run(self, *mode)

    monkeypatch.setattr(plan.Launch, "run", counting)
    return calls


def test_two_hundred_tensors_are_one_launch(counted):
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(100)))
    average = ema(model)
    for _ in range(3):
        average.update_parameters(model)
    assert len(counted) == 2  # the first update is a copy
    assert counted[0] is counted[1]
    assert launches(average) == [200]


@given(
    st.lists(st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 9), max_size=3)), min_size=1, max_size=6),
    st.sampled_from([None, 0.0, 0.3, 0.5, 0.999, 1.0]),
    st.integers(0, 2**31),
)
def test_the_engines_agree_bit_for_bit_and_with_float64(cases, decay, seed):
    torch.manual_seed(seed)
    model = Held(*(torch.zeros(shape, dtype=dtype) for dtype, shape in cases))
    averages = [ema(model, decay, engine) for engine in ("cpu", "eager")]
    exact = []
    for n in range(4):
        model.renew()
        for average in averages:
            average.update_parameters(model)
        wide = [p.detach().to(torch.promote_types(p.dtype, torch.float64), copy=True) for p in model.held]
        weight = 1 / (n + 1) if decay is None else 1 - decay if n else 1.0
        exact = [a + weight * (w - a) for a, w in zip(exact, wide, strict=True)] if exact else wide
    assert rest(averages[0]) == 0
    for (name, a), b in zip(averages[0].state_dict().items(), averages[1].state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    for a, p, e in zip(averages[0].module.held, model.held, exact, strict=True):
        # Rounded three times in the compute dtype, values below 3 * 6; then once to the stored one.
        unit = torch.finfo(torch.float64 if p.dtype == torch.float64 else torch.float32).eps
        tolerance = 60 * unit + torch.finfo(p.dtype).eps / 2 * e.abs() if wide_of(p) else 60 * unit
        assert ((a.detach().to(e.dtype) - e).abs() <= tolerance).all()


def wide_of(p: torch.Tensor) -> bool:
    return p.dtype in (torch.bfloat16, torch.float16)


def test_results_do_not_depend_on_the_number_of_threads():
    model = Held(torch.zeros(300_001), torch.zeros(17, 5))
    averages = [ema(model), ema(model)]
    for _ in range(3):
        model.renew()
        for threads, average in zip((1, 3), averages, strict=True):
            torch.set_num_threads(threads)
            average.update_parameters(model)
    assert all(torch.equal(a, b) for a, b in zip(*(average.module.held for average in averages), strict=True))


@pytest.mark.parametrize("engine", ["cpu", "eager"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_version_counters_are_bumped(engine, dtype):
    model = Held(torch.zeros(3, dtype=dtype))
    average = ema(model, engine=engine)
    for _ in range(3):
        before = average.module.held[0]._version
        average.update_parameters(model)
        assert average.module.held[0]._version > before


LAYOUTS = {
    "contiguous": lambda t: t,
    "channels_last": lambda t: t.to(memory_format=torch.channels_last),
    "transposed": lambda t: t.transpose(0, 1).contiguous().transpose(0, 1),
    "strided": lambda t: torch.zeros(*t.shape[:-1], 2 * t.shape[-1], dtype=t.dtype)[..., ::2].copy_(t),
    "offset": lambda t: torch.cat([torch.zeros(1, dtype=t.dtype), t.flatten()])[1:].view(t.shape),
}


@pytest.mark.parametrize("ours", LAYOUTS)
@pytest.mark.parametrize("theirs", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_layout_gives_the_same_numbers(ours, theirs, dtype):
    tensor = torch.randn(3, 4, 2, 5).to(dtype)
    plain, model = Held(tensor.clone()), Held(tensor.clone())
    reference, average = ema(plain, engine="eager"), ema(model)
    average.module.held[0].data = LAYOUTS[ours](average.module.held[0].data)
    model.held[0].data = LAYOUTS[theirs](model.held[0].data)
    for _ in range(3):
        model.renew()
        with torch.no_grad():
            plain.held[0].copy_(model.held[0])
        reference.update_parameters(plain)
        average.update_parameters(model)
    assert torch.equal(average.module.held[0], reference.module.held[0])
    alike = {ours, theirs} <= {"contiguous", "offset"} or (ours == theirs and ours != "strided")
    assert rest(average) == (0 if alike else 1)


def swap_model_data(average, model):
    for p in model.parameters():
        p.data = p.data.clone()


def swap_average_data(average, model):
    for p in average.module.parameters():
        p.data = p.data.clone()


def new_layout_in_place(average, model):
    with torch.no_grad():
        for p in (*average.module.parameters(), *model.parameters()):
            if p.dim() == 2:
                p.data = p.data.t().contiguous().t()


def new_parameter(average, model):
    model[0].weight = nn.Parameter(model[0].weight.detach().clone())


def new_module(average, model):
    model[1] = copy.deepcopy(model[1])


def new_averaged_module(average, model):
    average.module[1] = copy.deepcopy(average.module[1])


def load_assigned(average, model):
    model.load_state_dict({key: value.clone() for key, value in model.state_dict().items()}, assign=True)


def load_average(average, model):
    average.load_state_dict(copy.deepcopy(average.state_dict()))


def load_average_assigned(average, model):
    average.load_state_dict(copy.deepcopy(average.state_dict()), assign=True)


def another_model(average, model):
    average.update_parameters(copy.deepcopy(model))


def in_inference_mode(average, model):
    with torch.inference_mode():
        average.update_parameters(model)
        average.update_parameters(model)


CHANGES = [
    swap_model_data,
    swap_average_data,
    new_layout_in_place,
    new_parameter,
    new_module,
    new_averaged_module,
    load_assigned,
    load_average,
    load_average_assigned,
    another_model,
    in_inference_mode,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("use_buffers", [False, True])
def test_what_happens_between_two_updates_is_noticed(change, dtype, use_buffers):
    """The same as for an average whose every update is the first one after making it anew from a checkpoint."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).to(dtype)
    average = ema(model, use_buffers=use_buffers)

    def anew(source):
        fresh = ema(model, engine="eager", use_buffers=use_buffers)
        fresh.load_state_dict(source.state_dict())
        return fresh

    for round_ in range(4):
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(torch.randn(p.shape))
        if round_ == 2:
            change(average, model)
        expected = anew(average)
        expected.update_parameters(model)
        average.update_parameters(model)
        for (name, a), b in zip(average.state_dict().items(), expected.state_dict().values(), strict=True):
            assert torch.equal(a.to(b.dtype), b), (round_, name)


def test_a_resized_parameter_is_refused_and_nothing_changed():
    model = Held(torch.randn(4, 2), torch.randn(3))
    average = ema(model)
    for _ in range(2):
        model.renew()
        average.update_parameters(model)
    before = copy.deepcopy(average.state_dict())
    model.held[0].data = torch.randn(2, 2)
    with pytest.raises(ValueError, match=r"held.0 has shape \(4, 2\) in the average, \(2, 2\) in the model"):
        average.update_parameters(model)
    average.module.held[1].data = average.module.held[1].data[:2]  # same address, same strides
    with pytest.raises(ValueError, match=r"held\.1 has shape"):
        average.update_parameters(model)
    assert torch.equal(before["module.held.0"], average.module.held[0])
    assert int(average.n_averaged) == 2


def test_leaving_and_entering_half_precision_between_updates():
    model = Held(torch.randn(50).bfloat16())
    average = ema(model, 0.9)
    exact = None
    for dtype in (None, None, torch.float32, None, torch.bfloat16, None):
        model.renew()
        if dtype is not None:
            average.to(dtype)
            exact = average.state_dict()["module.held.0"].double() if dtype == torch.bfloat16 else exact
        average.update_parameters(model)
        value = model.held[0].detach().double()
        exact = value if exact is None else exact + 0.1 * (value - exact)
    torch.testing.assert_close(average.state_dict()["module.held.0"].double(), exact, rtol=1e-6, atol=1e-6)


def test_a_model_that_is_its_own_average_stays():
    model = Held(torch.randn(5), torch.randn(5).bfloat16())
    average = ema(model, 0.5)
    before = copy.deepcopy(average.module.state_dict())
    for _ in range(3):
        average.update_parameters(average.module)
    assert all(torch.equal(before[key], value) for key, value in average.module.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sparse_buffers_are_averaged_on_torch_operations(dtype):
    model = Held(torch.randn(3))
    model.register_buffer("sparse", torch.eye(3, dtype=dtype).to_sparse())
    average = ema(model, 0.5, use_buffers=True)
    average.update_parameters(model)
    now = torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=dtype)
    model.sparse = now.to_sparse()
    average.update_parameters(model)
    assert average.module.sparse.to_dense().tolist() == [[2.0, 0.5, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 1.0]]
    assert (launches(average), rest(average)) == ([1], 1)


class Odd(torch.Tensor):
    """A tensor that may give operations another meaning."""


def test_a_subclass_runs_eagerly():
    model = Held(torch.randn(4), torch.randn(4))
    average = ema(model, 0.75)
    average.module.held[0] = nn.Parameter(torch.randn(4).as_subclass(Odd))
    assert type(average.module.held[0]) is Odd
    start = [p.detach().clone() for p in model.held]
    average.update_parameters(model)
    model.renew()
    average.update_parameters(model)
    assert (launches(average), rest(average)) == ([1], 1)
    for a, before, p in zip(average.module.held, start, model.held, strict=True):
        torch.testing.assert_close(a.data, 0.75 * before + 0.25 * p.data, rtol=1e-6, atol=1e-6)


def test_without_numba_it_runs_eagerly_or_says_why_not(monkeypatch):
    model = Held(torch.randn(4))
    average, required = ema(model, engine="auto"), ema(model, engine="cpu")
    average.update_parameters(model)
    required.update_parameters(model)
    monkeypatch.setattr(cpu, "usable", lambda: "no compiler today")
    monkeypatch.setattr(plan, "_warned", False)
    with pytest.warns(UserWarning, match="no compiler today"):
        average.update_parameters(model)
    assert rest(average) == 1
    with pytest.raises(RuntimeError, match="engine='cpu' cannot run: no compiler today"):
        required.update_parameters(model)


def test_meta_and_lazy_modules_fail_or_work_as_they_should():
    meta = nn.Linear(2, 2, device="meta")
    average = ema(meta, engine="auto")
    for _ in range(3):
        average.update_parameters(meta)
    assert average.module.weight.is_meta
    lazy = nn.LazyLinear(2)
    average = ema(lazy)
    lazy(torch.randn(1, 3))
    with pytest.raises((ValueError, RuntimeError), match="shape"):
        average.update_parameters(lazy)
    assert int(average.n_averaged) == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a second device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_averages_follow_devices(dtype):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).to(dtype)
    here, moved = ema(model, use_buffers=True), ema(model, use_buffers=True)
    for n in range(8):
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(torch.randn(p.shape))
        if n in (2, 6):
            moved.cuda()
        if n == 4:
            moved.cpu()
        here.update_parameters(model)
        moved.update_parameters(copy.deepcopy(model).cuda() if n % 2 else model)
    for (name, a), b in zip(here.state_dict().items(), moved.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b.cpu(), rtol=1e-6, atol=1e-6, msg=name)
