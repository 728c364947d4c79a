"""tools.watch: numbers against float64 oracles, training bit-identical, every kind of parameter, files followed."""

import io
import json
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import descend
from descend import tools
from descend.tools import cli
from descend.tools.comparing import saved
from descend.tools.watching.gauges import Spikes, alpha, robust_z
from descend.tools.watching.records import Check

X, Y = torch.randn(32, 6, generator=torch.Generator().manual_seed(1)), torch.arange(32) % 3
QUIET = {"every": 1, "budget": None, "progress": "none"}


def model_of(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3))


def loss_of(model):
    return nn.functional.cross_entropy(model(X), Y)


def train(model, optimizer, steps, w=None, check=False):
    for _ in range(steps):
        loss = loss_of(model)
        optimizer.zero_grad()
        loss.backward()
        if w is not None:
            w.loss(loss)
        if check:
            w.check(lambda: loss_of(model))
        optimizer.step()


class Lion(torch.optim.Optimizer):
    """Somebody's own optimizer."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(group["lr"] * p.grad.sign())
        return loss


MAKERS = {
    "descend": lambda p: descend.AdamW(p, lr=1e-2),
    "descend, stats": lambda p: descend.AdamW(p, lr=1e-2, stats=True),
    "torch": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9),
    "third party": lambda p: Lion(p, lr=1e-3),
}
each_maker = pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)


@each_maker
def test_numbers_are_those_of_float64(maker):
    model = model_of()
    optimizer = maker(model.parameters())
    expected, last = [], None
    with tools.watch(optimizer, model, **QUIET) as w:
        for _ in range(4):
            loss = loss_of(model)
            optimizer.zero_grad()
            loss.backward()
            w.loss(loss)
            before = [p.detach().double() for p in model.parameters()]
            grads = [p.grad.double() for p in model.parameters()]
            if last is not None:
                dot = sum(-(g * u).sum() for g, u in zip(grads, last, strict=True))
                norms = [math.sqrt(sum(t.square().sum() for t in ts)) for ts in (grads, last)]
                expected[-1]["cos"] = float(dot) / (norms[0] * norms[1])
            optimizer.step()
            after = [p.detach().double() for p in model.parameters()]
            last = [a - b for a, b in zip(after, before, strict=True)]
            flat = {"grad_norm": grads, "update_norm": last, "param_norm": after}
            row = {name: math.sqrt(sum(float(t.square().sum()) for t in ts)) for name, ts in flat.items()}
            row["zero"] = sum(int((g == 0).sum()) for g in grads) / sum(g.numel() for g in grads)
            ratios = [float(last[k].norm() / after[k].norm()) for k in (0, 4)]
            row["largest"] = max(zip(("0.weight", "4.weight"), ratios, strict=True), key=lambda x: x[1])
            expected.append({**row, "loss": float(loss.detach())})
    assert [c.step for c in w.history] == [1, 2, 3, 4]
    for check, row in zip(w.history, expected, strict=True):
        (group,) = check.groups
        assert check.loss == row["loss"]
        # float32 norms of 100 elements; the update is a difference of float32 numbers, exact in both.
        for name in ("grad_norm", "update_norm", "param_norm", "zero"):
            assert getattr(group, name) == pytest.approx(row[name], rel=1e-5), name
        assert group.largest[0] == row["largest"][0]
        assert group.largest[1] == pytest.approx(row["largest"][1], rel=1e-5)
        assert (group.cos is None) == (check.step == 4)
        if group.cos is not None:
            assert group.cos == pytest.approx(row["cos"], abs=1e-5)


def test_statistics_of_the_optimizer_are_what_would_be_computed():
    checks = []
    for stats in (False, True):
        model = model_of()
        optimizer = descend.AdamW(model.named_parameters(), lr=1e-2, stats=stats)
        with tools.watch(optimizer, **QUIET) as w:
            train(model, optimizer, 3, w)
        checks.append(list(w.history))
    for a, b in zip(*checks, strict=True):
        for name in ("lr", "grad_norm", "update_norm", "param_norm", "zero", "nonfinite", "elements", "cos"):
            one, two = getattr(a.groups[0], name), getattr(b.groups[0], name)
            assert one == two or one == pytest.approx(two, rel=1e-5), name
        assert a.groups[0].largest[0] == b.groups[0].largest[0]


@each_maker
def test_training_is_bit_identical(maker):
    """With the gauge, dropout and batch normalisation: a forward pass draws numbers and changes running means."""
    ends = []
    for watched in (False, True):
        model = model_of(dropout=0.5)
        optimizer = maker(model.parameters())
        torch.manual_seed(5)
        if watched:
            with tools.watch(optimizer, model, every=2, budget=None, progress="none") as w:
                train(model, optimizer, 7, w, check=True)
            assert any(c.alpha is not None for c in w.history)
        else:
            train(model, optimizer, 7)
        grads = [p.grad for p in model.parameters()]
        state = [v for s in optimizer.state.values() for v in s.values() if torch.is_tensor(v)]
        ends.append([*model.state_dict().values(), *grads, *state, torch.get_rng_state()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


@each_maker
def test_hooks_are_removed_after_an_exception(maker):
    optimizer = maker(model_of().parameters())
    with pytest.raises(KeyError), tools.watch(optimizer, progress="none") as w:
        raise KeyError
    w.close()
    assert not optimizer._optimizer_step_pre_hooks and not optimizer._optimizer_step_post_hooks


def test_parameters_that_fall_silent_together_are_one_advice():
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    with torch.no_grad():
        model[0].bias.fill_(-1e3)  # no unit ever fires
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with tools.watch(optimizer, model, **QUIET) as w:
        train(model, optimizer, 21)
    (advice,) = [a for a in w.advice if a.code == "no-gradient"]
    assert advice.step == 20 and set(advice.subject.split(", ")) == {"0.weight", "0.bias", "2.weight"}
    assert "and 2 more" in advice.message and "never fire" in advice.message


def test_a_rate_far_too_high_and_one_far_too_low_are_told():
    for lr, right in ((3.0, {"weights-grew", "no-progress", "large-updates"}), (1e-6, {"rate-too-low"})):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
        optimizer = descend.AdamW(model.parameters(), lr=lr)
        with tools.watch(optimizer, model, **QUIET) as w:
            train(model, optimizer, 30, w, check=True)
        assert {a.code for a in w.advice} & right, lr


def test_alpha_and_z_by_hand():
    assert alpha(4.0, 0.0, -8.0) == 0.0  # (2 - 2t)^2 ends in its minimum
    assert alpha(1.0, 1.0, -4.0) == 1.0
    assert alpha(1.0, 0.75, -0.25) == -1.0  # a straight line
    assert alpha(1.0, 0.0, 0.5) is None and alpha(1.0, math.nan, -1.0) is None
    assert robust_z([1.0, 2.0, 3.0, 4.0, 5.0], [3.0 + 1.4826 * 7]) == pytest.approx(7.0)
    assert robust_z([1.0] * 9, [math.nan]) == math.inf
    spikes = Spikes()
    assert spikes.add([1.0, 2.0] * 9) is None and spikes.add([1.0, 2.0]) is None
    assert spikes.add([100.0]) > 50


def test_alpha_of_a_quadratic():
    """SGD at lr on x^2 multiplies x by 1 - 2 lr, which is alpha = 4 lr - 1 ... with the minimum at lr = 1/2."""
    for lr, expected in ((0.25, -0.5), (0.5, 0.0), (1.0, 1.0)):
        model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        with tools.watch(optimizer, model, **QUIET) as w:
            loss = model.weight.square().sum()
            loss.backward()
            w.check(lambda model=model: model.weight.square().sum())
            optimizer.step()
        assert w.history[0].alpha == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "maker", [lambda p: descend.LBFGS(p, max_iter=4, line_search_fn="strong_wolfe"), torch.optim.LBFGS, MAKERS["torch"]]
)
def test_closures(maker):
    model = model_of()
    optimizer = maker(model.parameters())
    twin = model_of()
    other = maker(twin.parameters())

    def closure(model=model, optimizer=optimizer):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    with tools.watch(optimizer, model, every=2, budget=None, progress="none") as w:
        losses = [float(optimizer.step(closure).detach()) for _ in range(5)]
    assert [c.loss for c in w.history] == [losses[1], losses[3]]
    assert all(c.groups[0].grad_norm > 0 and c.groups[0].update_norm > 0 and c.cos is not None for c in w.history)
    assert [float(other.step(lambda: closure(twin, other)).detach()) for _ in range(5)] == losses


def test_unusual_parameters():
    """Sparse, complex, float16, none, empty, frozen, without gradient, added later; two optimizers at once."""
    table = nn.Embedding(50, 3, sparse=True)
    half = nn.Parameter(torch.full((4,), 300.0, dtype=torch.float16))
    pair = nn.Parameter(torch.tensor([3 + 4j]))
    unused, frozen = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2), requires_grad=False)
    groups = [{"params": [half, pair, unused, frozen, nn.Parameter(torch.ones(0))]}, {"params": []}]
    first, second = torch.optim.SGD(groups, lr=1e-4), torch.optim.SparseAdam(table.parameters(), lr=0.1)
    with tools.watch(first, **QUIET) as a, tools.watch(second, **QUIET) as b:
        for step in range(3):
            if step == 2:
                late = nn.Parameter(torch.ones(2, 2))
                first.add_param_group({"params": [late]})
            loss = (half.float() * 1000).sum() + pair.abs().square().sum() + table(torch.tensor([1, 1, 7])).sum()
            loss = loss + (late.sum() if step == 2 else 0)
            first.zero_grad()
            second.zero_grad()
            loss.backward()
            first.step()
            second.step()
    group = a.history[0].groups[0]
    assert group.grad_norm == pytest.approx(
        math.sqrt(4 * 1000**2 + 100), rel=1e-4
    )  # |2 z|^2 = 100; no float16 overflow
    assert group.silent == ("group 0, parameter 2 (2,)",) and group.elements == 6
    assert group.lost == 1.0  # 0.1 of 300, where half a unit in the last place is 0.125
    assert len(a.history[1].groups) == 1 and len(a.history[2].groups) == 2 and a.history[2].growth is None
    assert b.history[0].groups[0].zero == pytest.approx(1 - 6 / 150)


def test_gradscaler_and_accumulation():
    model = nn.Linear(6, 3)
    for fused in (False, True):
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        with tools.watch(optimizer, model, **QUIET) as w:
            losses = []
            for half in (slice(0, 16), slice(16, 32)):
                loss = nn.functional.cross_entropy(model(X[half]), Y[half]) / 2
                scaler.scale(loss).backward()
                w.loss(loss)
                losses.append(float(loss.detach()))
            norm = math.sqrt(sum(float(p.grad.double().square().sum()) for p in model.parameters())) / 1024
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        assert w.history[0].grad_norm == pytest.approx(norm, rel=1e-5)
        assert w.history[0].loss == pytest.approx(sum(losses) / 2)


def test_a_skipped_step_is_seen():
    p = nn.Parameter(torch.ones(4))
    optimizer = descend.SGD([p], lr=0.1, nonfinite="skip", stats=True)
    with tools.watch(optimizer, **QUIET) as w:
        p.grad = torch.tensor([1.0, math.nan, math.inf, 0.0])
        optimizer.step()
    assert w.history[0].nonfinite == 0.5 and w.history[0].groups[0].update_norm == 0


def test_checks_keep_to_their_budget():
    """With next to no budget, only the first fifty checks are made."""
    model = model_of()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with tools.watch(optimizer, every=1, budget=1e-9, progress="none") as w:
        train(model, optimizer, 100, w)
    assert w.step == 100 and 50 <= len(w.history) <= 53


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_status_line_on_a_terminal_and_in_a_pipe(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for stream, colour in ((Terminal(), True), (Terminal(), False), (io.StringIO(), False)):
        monkeypatch.setenv("NO_COLOR", "" if colour else "1")
        p = nn.Parameter(torch.ones(2))
        optimizer = torch.optim.SGD([p], lr=0.1)
        with tools.watch(optimizer, every=1, budget=None, stream=stream, name="gan") as w:
            for _ in range(21):
                p.grad = torch.tensor([math.nan, 1.0])
                optimizer.step()
        text = stream.getvalue()
        assert "gan: step 1  |g| nan" in text and "gan: step 21" in text and "! step 20: 50.00%" in text
        assert ("\x1b[33m" in text) == colour and ("\r" in text) == isinstance(stream, Terminal)
        assert stream.isatty() or ("\x1b" not in text and text.count("\n") == 4)  # first, at the advice, it, last
        assert "nonfinite" in w.summary() and "<table>" in w._repr_html_() and "21 checks" in repr(w)


def test_file_tensorboard_and_the_command(tmp_path, capsys, monkeypatch):
    file, scalars = tmp_path / "run.jsonl", []
    writer = SimpleNamespace(add_scalar=lambda *call: scalars.append(call))
    model = model_of()
    optimizer = descend.AdamW(model.parameters(), lr=1e-2)
    with tools.watch(optimizer, model, every=2, budget=None, out=file, tensorboard=writer, progress="none") as w:
        train(model, optimizer, 6, w)
        assert cli.main(["watch", str(file), "--once"]) == 0
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [r["kind"] for r in records] == ["watch", "check", "check", "check", "end"]
    assert [Check.from_dict(r) for r in records[1:-1]] == list(w.history)
    assert {tag for tag, *_ in scalars} >= {"watch/loss", "watch/grad_norm", "watch/ratio", "watch/lr"}
    capsys.readouterr()
    assert cli.main(["watch", str(file)]) == 0  # ends by itself
    printed = capsys.readouterr().out
    assert "step 2  loss" in printed and "6 steps, 3 checks" in printed and "\x1b" not in printed
    with file.open("a", encoding="utf-8") as more:
        more.write('{"kind": "check", "st')  # half a line, as of a process that was killed
    assert cli.main(["watch", str(file), "--once"]) == 0
    for path in (tmp_path / "nothing", tmp_path):
        assert cli.main(["watch", str(path)]) == 2
    (tmp_path / "other.jsonl").write_text('{"kind": "x"}\n', encoding="utf-8")
    assert cli.main(["watch", str(tmp_path / "other.jsonl")]) == 2

    def interrupted(seconds):
        raise KeyboardInterrupt

    unfinished = tmp_path / "unfinished.jsonl"
    unfinished.write_text("\n".join(map(json.dumps, records[:2])) + "\n", encoding="utf-8")
    monkeypatch.setattr("time.sleep", interrupted)
    assert cli.main(["watch", str(unfinished)]) == 130


def test_the_command_follows_a_comparison(tmp_path, capsys, monkeypatch):
    """The table is printed when runs have ended; reading the directory is tested with `compare`."""
    lines = [{"kind": "comparison"}, {"kind": "runs", "runs": []}, {"kind": "end"}]
    loaded = []

    def load(directory):
        loaded.append(directory)
        return SimpleNamespace(runs=(1,), table=lambda: "the table")

    monkeypatch.setattr(saved, "load", load)
    for known, code in ((1, 1), (2, 0), (3, 0)):
        text = "".join(json.dumps(line) + "\n" for line in lines[:known])
        (tmp_path / "runs.jsonl").write_text(text, encoding="utf-8")
        assert cli.main(["watch", str(tmp_path), *(["--once"] if known < 3 else [])]) == code
        assert capsys.readouterr().out == ("the table\n" if known > 1 else "")
    assert loaded == [tmp_path] * 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"every": 0}, "every must be"),
        ({"budget": 0.0}, "budget must be"),
        ({"progress": "bar"}, "progress must be"),
        ({"out": "nowhere/run.jsonl"}, "no directory"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_changed(changes, words):
    optimizer = torch.optim.SGD(model_of().parameters(), lr=0.1)
    with pytest.raises(ValueError, match=words):
        tools.watch(optimizer, **changes)
    with pytest.raises(TypeError, match=r"must be a torch\.optim\.Optimizer"):
        tools.watch(model_of())
    with tools.watch(optimizer, progress="none") as w, pytest.raises(ValueError, match="needs the model"):
        w.check(lambda: 0.0)
    assert not optimizer._optimizer_step_pre_hooks
