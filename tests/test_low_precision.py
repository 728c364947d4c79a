"""state_dtype, rounding and master: every kind of kept tensor, on both engines, through steps, checkpoints and changes.

The cpu engine must give the eager engine's bits: parameters, codes and block numbers. What the formats themselves lose
is proved in test_storage_*.py; what that does to training in test_precision_quality.py.
"""

import copy
import pickle
from typing import Any

import pytest
import torch
from cases import (
    CASES,
    RICHEST,
    Case,
    assert_same_bits,
    assert_unchanged,
    every_engine,
    named,
    parameters,
    ran_on,
    random,
    set_gradients,
    snapshot,
    train,
)
from cases_more import RICHEST_MORE
from torch import Tensor
from torch.nn import Parameter

import descend

SIZES = (0, 1, 7, 127, 128, 129, 1024, 4097)
SHAPES: list[Any] = [*SIZES, (), (3, 0, 2), (5, 70)]
FORMATS = ("float32", "bfloat16", "float16", "int8")
WAYS: list[dict[str, Any]] = [{"rounding": "stochastic"}, {"rounding": "kahan"}, {"master": "split"}]
ALL = (*RICHEST, *RICHEST_MORE)
every_class = pytest.mark.parametrize("case", ALL, ids=str)
BF16 = torch.bfloat16


def state_of(optimizer: Any, params: list[Any]) -> list[Tensor]:
    return [optimizer.state[p][key] for p in params for key in optimizer.state.get(p, {})]


def assert_engines_agree(case: Case, dtype: torch.dtype, steps: int = 5, **options: Any) -> Any:
    params = parameters(SHAPES, dtype)
    if dtype == torch.float32:
        params.append(Parameter(random((2, 3, 5, 4)).to(memory_format=torch.channels_last)))
    twins = [Parameter(p.detach().clone()) for p in params]
    cpu, eager = case.ours(named(params), engine="cpu", **options), case.ours(named(twins), engine="eager", **options)
    for t in range(steps):
        for who, optimizer in ((params, cpu), (twins, eager)):
            set_gradients(who, t)
            for p in who:
                p.grad = torch.empty_like(p).copy_(p.grad)  # laid out like the parameter
            optimizer.step()
        assert_same_bits(params, twins, f"step {t + 1}: parameter")
    assert_same_bits(state_of(cpu, params), state_of(eager, twins), "state")
    assert ran_on(cpu).keys() == {"cpu"}
    return cpu


@every_class
@pytest.mark.parametrize("state_dtype", ["bfloat16", "int8"])
def test_engines_agree_on_state(case: Case, state_dtype: str) -> None:
    assert_engines_agree(case, torch.float32, state_dtype=state_dtype)


@pytest.mark.parametrize("case", [c for c in ALL if c.name.startswith(("AdamW", "SGD"))], ids=str)
@pytest.mark.parametrize("state_dtype", FORMATS)
@pytest.mark.parametrize("dtype", [torch.float32, BF16, torch.float64], ids=str)
def test_engines_agree_on_state_of_every_dtype(case: Case, dtype: torch.dtype, state_dtype: str) -> None:
    assert_engines_agree(case, dtype, state_dtype=state_dtype)


@pytest.mark.parametrize("case", [c for c in ALL if c.name.startswith(("AdamW", "SGD", "Rprop"))], ids=str)
@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("dtype", [BF16, torch.float16], ids=str)
def test_engines_agree_on_parameters(case: Case, dtype: torch.dtype, way: dict[str, Any]) -> None:
    if "master" not in way or dtype == BF16:
        assert_engines_agree(case, dtype, state_dtype="int8", **way)
    else:
        with pytest.raises(RuntimeError, match="master='split' is for bfloat16 parameters"):
            assert_engines_agree(case, dtype, **way)


@pytest.mark.parametrize("case", [c for c in CASES if c.name.split("-")[0] in ("Adam", "SGD")], ids=str)
def test_engines_agree_on_every_option(case: Case) -> None:
    """Absent buffers, weight decay of both kinds, maximize; with clipping and statistics on top."""
    options: dict[str, Any] = {"state_dtype": "int8", "rounding": "stochastic", "clip_grad_value": 0.5, "stats": True}
    assert_engines_agree(case, BF16, **options)


def test_bits_do_not_depend_on_threads() -> None:
    results = []
    for threads in (1, 2, 3, 4):
        torch.set_num_threads(threads)
        try:
            params = [Parameter(p.detach().to(BF16)) for p in parameters([(300, 1000), (70_001,), (5,)])]
            optimizer = descend.AdamW(params, state_dtype="int8", rounding="stochastic", engine="cpu")
            train(optimizer, params, 3)
            results.append([*params, *state_of(optimizer, params)])
        finally:
            torch.set_num_threads(2)
    for other in results[1:]:
        assert_same_bits(other, results[0])


def test_bits_depend_on_seed_step_and_place() -> None:
    def run(seed: int, count: int, steps: int = 3) -> list[Any]:
        params = [Parameter(torch.full((512,), 1.0, dtype=BF16)) for _ in range(count)]
        optimizer = descend.SGD(params, lr=1e-3, rounding="stochastic", seed=seed)
        for _ in range(steps):
            for p in params:
                p.grad = torch.ones_like(p)
            optimizer.step()
        return params

    one = run(0, 2)
    assert_same_bits(one, run(0, 2))
    assert not torch.equal(one[0], run(1, 2)[0])
    assert not torch.equal(one[0], one[1])  # another place in the whole
    assert_same_bits(one[:1], run(0, 1))
    moved = [float((1.0 - run(0, 1, steps)[0].detach().double()).mean()) for steps in (1, 2, 3, 10)]
    for steps, mean in zip((1, 2, 3, 10), moved, strict=True):  # neighbours of 1 are 1/256 below and 1/128 above
        assert mean == pytest.approx(steps * 1e-3, abs=1.5e-4 * steps**0.5)


# ------------------------------------------------------------------------------------------------- state and its layout


def test_state_keys_and_dtypes() -> None:
    p = Parameter(torch.ones(300))
    keys = {
        "float32": {"exp_avg": (torch.float32, (300,)), "exp_avg_sq": (torch.float32, (300,))},
        "bfloat16": {"exp_avg": (BF16, (300,)), "exp_avg_sq": (BF16, (300,))},
        "float16": {
            "exp_avg": (torch.float16, (300,)),
            "exp_avg_scale": (torch.float32, (3,)),
            "exp_avg_sq": (torch.float16, (300,)),
            "exp_avg_sq_scale": (torch.float32, (3,)),
        },
        "int8": {
            "exp_avg": (torch.int8, (300,)),
            "exp_avg_scale": (torch.float32, (3,)),
            "exp_avg_sq": (torch.uint8, (300,)),
            "exp_avg_sq_scale": (torch.int16, (3, 3)),
        },
    }
    for name, expected in keys.items():
        optimizer = descend.AdamW([p], state_dtype=name)
        p.grad = torch.ones(300)
        optimizer.step()
        state = dict(optimizer.state[p])
        assert float(state.pop("step")) == 1
        assert {key: (t.dtype, tuple(t.shape)) for key, t in state.items()} == expected
        size = sum(t.numel() * t.element_size() for t in state.values())
        assert optimizer.memory().state == size + 4
    q = Parameter(torch.ones(300, dtype=BF16))
    for way, key, dtype in (
        ({"rounding": "kahan"}, "compensation", BF16),
        ({"master": "split"}, "master_low", torch.int16),
    ):
        optimizer = descend.SGD([q], momentum=0.9, state_dtype={"momentum_buffer": "int8"}, **way)
        q.grad = torch.ones_like(q)
        optimizer.step()
        assert {k: t.dtype for k, t in optimizer.state[q].items()} == {
            "momentum_buffer": torch.int8,
            "momentum_buffer_scale": torch.float32,
            key: dtype,
        }
        assert optimizer.memory().state == sum(t.numel() * t.element_size() for t in optimizer.state[q].values())


def test_a_dict_by_buffer_and_torch_dtypes() -> None:
    p = Parameter(torch.ones(300))
    p.grad = torch.ones(300)
    optimizer = descend.AdamW([p], state_dtype={"exp_avg_sq": torch.bfloat16})
    optimizer.step()
    assert (optimizer.state[p]["exp_avg"].dtype, optimizer.state[p]["exp_avg_sq"].dtype) == (torch.float32, BF16)
    assert descend.AdamW([p], state_dtype=torch.float16).param_groups[0]["state_dtype"] == torch.float16


@every_engine
def test_initial_values_are_encoded(engine: str) -> None:
    p = Parameter(torch.ones(300))
    p.grad = torch.zeros(300)
    optimizer = descend.Adagrad([p], initial_accumulator_value=0.3, state_dtype="int8", engine=engine)
    optimizer.step()
    held = optimizer.state_dict(format="torch")["state"][0]["sum"]
    assert torch.allclose(held, torch.full((300,), 0.3), rtol=1.6e-5)  # the smallest value of a block has 16 bits


def test_parameters_of_other_dtypes_stay_exact() -> None:
    a, b = Parameter(random(200)), Parameter(random(200).to(BF16))
    twin = Parameter(a.detach().clone())
    optimizer, plain = descend.AdamW([a, b], rounding="stochastic"), descend.AdamW([twin])
    for t in range(3):
        a.grad = twin.grad = random(200, seed=t)
        b.grad = random(200, seed=t).to(BF16)
        optimizer.step()
        plain.step()
    assert_same_bits([a], [twin])


def test_a_split_master_is_float32_training() -> None:
    """Gradients that are bfloat16 either way: the joined parameter equals one trained in float32, bit for bit."""
    half, full = Parameter(random(1000).to(BF16)), Parameter(random(1000).to(BF16).float())
    a = descend.AdamW([half], lr=1e-3, master="split", state_dtype="float32")
    b = descend.AdamW([full], lr=1e-3)
    for t in range(50):
        half.grad = random(1000, seed=t).to(BF16)
        full.grad = half.grad.float()
        a.step()
        b.step()
    low = a.state[half]["master_low"]
    joined = ((half.detach().view(torch.int16).int() << 16) + low.int()).view(torch.float32)
    assert_same_bits([joined], [full.detach()])
    assert (half.detach().float() - full.detach()).abs().max() <= full.detach().abs().max() * 2.0**-8


# --------------------------------------------------------------------------------------------- checkpoints and changes


@pytest.mark.parametrize("options", [{"state_dtype": n} for n in FORMATS[1:]] + WAYS, ids=str)
@pytest.mark.parametrize("name", ["AdamW", "SGD"])
def test_training_continues_exactly(name: str, options: dict[str, Any], tmp_path: Any) -> None:
    extra = {"momentum": 0.9} if name == "SGD" else {}
    params = [Parameter(p.detach().to(BF16)) for p in parameters([300, (5, 70)])]
    optimizer = getattr(descend, name)(named(params), lr=1e-2, **extra, **options)
    train(optimizer, params, 3)
    torch.save((optimizer.state_dict(), [p.detach() for p in params]), tmp_path / "checkpoint")
    saved, values = torch.load(tmp_path / "checkpoint", weights_only=True)
    others = [Parameter(v.clone()) for v in values]
    resumed = getattr(descend, name)(named(others), lr=1e-2, **extra, **options)
    resumed.load_state_dict(saved)
    twins = copy.deepcopy(optimizer)
    pickled = pickle.loads(pickle.dumps(optimizer))
    for t in range(3, 6):
        for o in (optimizer, resumed, twins, pickled):
            set_gradients(o.param_groups[0]["params"], t)
            o.step()
    for o in (resumed, twins, pickled):
        assert_same_bits(params, o.param_groups[0]["params"])
        assert_same_bits(state_of(optimizer, params), state_of(o, o.param_groups[0]["params"]))


@pytest.mark.parametrize("before", [None, *FORMATS])
@pytest.mark.parametrize("after", [None, *FORMATS])
def test_checkpoints_convert_on_loading(before: str | None, after: str | None) -> None:
    params = parameters([300, (5, 70)])
    first = descend.AdamW(params, lr=1e-2, state_dtype=before)
    train(first, params, 4)
    exact = first.state_dict(format="torch")["state"]
    others = [Parameter(p.detach().clone()) for p in params]
    second = descend.AdamW(others, lr=1e-2, state_dtype=after)
    second.load_state_dict(first.state_dict())
    assert second.param_groups[0].get("state_dtype") == after
    set_gradients(others, 4)
    for p in others:
        p.grad.zero_()
    second.step()
    assert float(second.state[others[0]]["step"]) == 5
    kept = second.state_dict(format="torch")["state"]
    limit = 0.03 if "int8" in (before, after) else 0.01 if "bfloat16" in (before, after) else 2e-3
    for i in range(2):
        for key, decay in (("exp_avg", 0.9), ("exp_avg_sq", 0.999)):
            error = (kept[i][key] - decay * exact[i][key]).norm() / exact[i][key].norm()
            assert float(error) < limit, (before, after, key, float(error))
    dtype = {
        None: torch.float32,
        "float32": torch.float32,
        "bfloat16": BF16,
        "float16": torch.float16,
        "int8": torch.int8,
    }
    assert second.state[others[0]]["exp_avg"].dtype == dtype[after]


@pytest.mark.parametrize("options", [{"state_dtype": n} for n in FORMATS] + WAYS, ids=str)
def test_torch_goes_on_with_the_torch_format(options: dict[str, Any]) -> None:
    params = [Parameter(p.detach().to(BF16)) for p in parameters([300, (5, 70)])]
    optimizer = descend.AdamW(named(params), lr=1e-2, clip_grad_norm=1.0, **options)
    train(optimizer, params, 3)
    exported = optimizer.state_dict(format="torch")
    assert set(exported["param_groups"][0]) == set(torch.optim.AdamW(named(params)).state_dict()["param_groups"][0])
    assert set(exported["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    theirs = torch.optim.AdamW(named(params), lr=1e-2)
    theirs.load_state_dict(exported)
    theirs.step()
    with pytest.raises(ValueError, match=r"Invalid format: 'numpy' \(format must be None or 'torch'\)"):
        optimizer.state_dict(format="numpy")


def test_a_format_that_changes_between_steps() -> None:
    params = parameters([300])
    optimizer = descend.AdamW(params, lr=1e-2)
    seen = []
    for t, name in enumerate([None, "int8", "float16", "bfloat16", "float32", None]):
        optimizer.param_groups[0]["state_dtype"] = name
        set_gradients(params, t)
        optimizer.step()
        seen.append(optimizer.state[params[0]]["exp_avg"].dtype)
        assert ("exp_avg_scale" in optimizer.state[params[0]]) == (name in ("int8", "float16"))
    assert seen == [torch.float32, torch.int8, torch.float16, BF16, torch.float32, torch.float32]


def test_switching_a_master_off_forgets_it() -> None:
    p = Parameter(random(300).to(BF16))
    optimizer = descend.SGD([p], lr=1e-2, master="split")
    train(optimizer, [p], 2)
    assert "master_low" in optimizer.state[p]
    optimizer.param_groups[0]["master"] = None
    train(optimizer, [p], 1)
    assert "master_low" not in optimizer.state[p]


def test_groups_differ_and_gradients_come_late() -> None:
    a, b, c = (Parameter(random(300, seed=i)) for i in range(3))
    optimizer = descend.AdamW([{"params": [a], "state_dtype": "int8"}, {"params": [b, c]}], lr=1e-2)
    assert optimizer.param_groups[1]["state_dtype"] is None
    for t in range(4):
        a.grad, b.grad = random(300, seed=t), random(300, seed=t + 9)
        c.grad = random(300, seed=t) if t > 1 else None
        optimizer.step()
    assert optimizer.state[a]["exp_avg"].dtype == torch.int8
    assert optimizer.state[b]["exp_avg"].dtype == optimizer.state[c]["exp_avg"].dtype == torch.float32
    assert ran_on(optimizer).keys() == {"cpu"}


@every_engine
def test_a_skipped_step_draws_nothing(engine: str) -> None:
    def run(bad_at: int | None) -> list[Any]:
        params = [Parameter(torch.ones(300, dtype=BF16))]
        optimizer = descend.SGD(params, lr=1e-3, rounding="stochastic", nonfinite="skip", engine=engine)
        for t in range(4):
            if t == bad_at:
                params[0].grad = torch.full((300,), float("nan"), dtype=BF16)
                before = snapshot(optimizer)
                optimizer.step()
                assert_unchanged(optimizer, before)
            params[0].grad = torch.ones(300, dtype=BF16)
            optimizer.step()
        return params

    assert_same_bits(run(None), run(2))
    assert_same_bits(run(None), run(0))


# --------------------------------------------------------------------------------------------------- memory and errors


def test_memory_and_traffic() -> None:
    model = torch.nn.Linear(1000, 1280, bias=False, device="meta", dtype=BF16)
    n = 1_280_000
    small = descend.memory(model, descend.AdamW, state_dtype="int8", master="split")
    assert (small.parameters, small.gradients) == (2 * n, 2 * n)
    assert small.state == pytest.approx((1 + 4 / 128 + 1 + 6 / 128 + 2) * n + 4)
    assert small.total == small.parameters + small.gradients + small.state
    assert descend.memory(model.parameters(), descend.AdamW).state == 4 * n + 4
    assert descend.memory(model, descend.Adafactor).state < 0.01 * n
    assert "total" in str(small)
    optimizer = descend.AdamW([Parameter(torch.ones(1280, 1000))], state_dtype="int8")
    assert optimizer.memory().state <= 2.1 * n
    assert optimizer.explain(quiet=True).traffic == pytest.approx(8 + 4 + 2 * 2.078, abs=0.01)
    with pytest.raises(TypeError, match="optimizer must be a class"):
        descend.memory(model, optimizer)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"state_dtype": "int4"}, r"Invalid state_dtype: 'int4' \(state_dtype must be one of 'float32', 'bfloat16', "),
        ({"state_dtype": {"exp_avg_2": "int8"}}, r"there is no buffer 'exp_avg_2', only \['exp_avg', 'exp_avg_sq', "),
        ({"rounding": "up"}, r"Invalid rounding: 'up' \(rounding must be None, 'stochastic', 'kahan'\)"),
        ({"master": "float32"}, r"Invalid master: 'float32' \(master must be None, 'split'\)"),
        ({"master": "split", "rounding": "kahan"}, "rounding must be None with master='split'"),
        ({"seed": 1.5}, r"Invalid seed: 1.5 \(seed must be an integer\)"),
    ],
)
def test_bad_values(options: dict[str, Any], text: str) -> None:
    p = Parameter(torch.ones(3))
    with pytest.raises(ValueError, match=text):
        descend.AdamW([p], **options)
    optimizer = descend.AdamW([p])
    with pytest.raises(ValueError, match=text):
        optimizer.add_param_group({"params": [Parameter(torch.ones(2))], **options})


def test_what_cannot_be_kept_is_refused_before_anything_changes() -> None:
    class Sub(Tensor):
        pass

    for p, options, text in (
        (Parameter(torch.ones(3, dtype=torch.complex64)), {"state_dtype": "int8"}, "not for complex parameters"),
        (
            Parameter(torch.ones(3, dtype=torch.float16)),
            {"master": "split"},
            "for bfloat16 parameters, this one is float16",
        ),
        (
            torch.ones(3).as_subclass(Sub).requires_grad_(),
            {"state_dtype": "int8"},
            "need plain tensors, this one is a Sub",
        ),
    ):
        q = Parameter(torch.ones(3))
        optimizer = descend.AdamW([("q", q), ("p", p)], **options)
        p.grad, q.grad = torch.ones_like(p), torch.ones(3)
        with pytest.raises(RuntimeError, match=text):
            optimizer.step()
        assert torch.equal(q, torch.ones(3)) and not optimizer.state
    for name in ("Adafactor", "Muon", "SparseAdam"):
        for options in ({"state_dtype": "int8"}, {"rounding": "kahan"}, {"master": "split"}):
            with pytest.raises(ValueError, match=f"for optimizers whose update is elementwise, {name}'s is not"):
                getattr(descend, name)([Parameter(torch.ones(3, 3))], **options)


def test_sparse_gradients_with_coded_state_are_made_dense() -> None:
    p, q = Parameter(torch.ones(5, 3)), Parameter(torch.ones(5, 3))
    a, b = descend.Adagrad([p], lr=0.1, state_dtype="int8"), descend.Adagrad([q], lr=0.1, state_dtype="int8")
    for t in range(3):
        dense = torch.zeros(5, 3)
        dense[t] = 2.0
        p.grad, q.grad = dense.to_sparse(1), dense
        a.step()
        b.step()
    assert_same_bits([p], [q])


def test_a_defined_optimizer_takes_them_too() -> None:
    def heavy_ball(p, g, buf, *, lr, mu):  # type: ignore[no-untyped-def]
        buf = mu * buf + g
        return p - lr * buf, buf

    rule = descend.Rule(
        heavy_ball, lambda t, *, lr, mu: dict(lr=lr, mu=mu), dict(buf=descend.Buffer()), counts_steps=False
    )
    cls = descend.define(rule, lr=0.1, mu=0.9)
    p = Parameter(random(300).to(BF16))
    optimizer: Any = cls([p], state_dtype="int8", rounding="stochastic", stats=True)  # type: ignore[call-arg]
    train(optimizer, [p], 3)
    assert optimizer.state[p]["buf"].dtype == torch.int8
    assert optimizer.param_groups[0]["rounding_step"] == 3
    assert optimizer.stats().update_norm > 0


@pytest.mark.parametrize("engine", ["cpu", "eager"])
@pytest.mark.parametrize("beta1", [0.9, 0.95])
def test_an_element_without_gradients_comes_to_rest(engine: str, beta1: float) -> None:
    """Rounded to nearest, its first moment would stand still while the second decays, and the parameter run away."""
    moved = {}
    for name in (None, "int8"):
        torch.manual_seed(0)
        w = Parameter(torch.zeros(16, 8))
        optimizer = descend.AdamW([w], lr=1e-3, betas=(beta1, 0.99), weight_decay=0.0, state_dtype=name, engine=engine)
        for t in range(1200):
            w.grad = torch.randn(16, 8)
            if t >= 10:
                w.grad[0] = 0
            optimizer.step()
        moved[name] = float(w.detach()[0].abs().mean())
    assert moved["int8"] == pytest.approx(moved[None], rel=0.2)
