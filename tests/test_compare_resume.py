"""What `compare(out=...)` writes: any interruption leaves a result, and resuming leads to the same one."""

import json
import math
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import descend
from descend.tools import comparing
from descend.tools.comparing import Comparison, compare, lanes, load, search
from descend.tools.comparing.journal import Journal, diff, read
from descend.tools.records import Point, Run


def problem(**changed: Any) -> dict[str, Any]:
    """A small network with dropout: what it does depends on weights, order of data and random numbers."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(48, 3, generator=generator)
    y = x.prod(1, keepdim=True)
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Dropout(0.1), torch.nn.Linear(8, 1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    given: dict[str, Any] = dict(
        source_or_model=model,
        loader=list(zip(x[:32].split(8), y[:32].split(8), strict=True)),
        loss_fn=torch.nn.MSELoss(),
        val=[(x[32:], y[32:])],
        optimizers=["sgd", "adamw"],
        lrs=[1e-3, 1e-2, 1e-1],
        steps=12,
        minutes=None,
        progress=None,
        threads=1,
    )
    return {**given, **changed}


def one_by_one() -> ModuleType:
    """Stands for the module that trains copies together, which it never advises: when it does depends on the clock."""
    module = ModuleType("descend.tools.comparing.stacked")
    module.worth_it = lambda problem, trials: (False, "no: one by one")  # type: ignore[attr-defined]
    return module


def install(patch: pytest.MonkeyPatch, stacked: ModuleType) -> None:
    patch.setitem(sys.modules, stacked.__name__, stacked)
    patch.setattr(comparing, "stacked", stacked, raising=False)
    patch.setattr(lanes, "LONG", math.inf)  # whatever the clock says


@pytest.fixture(autouse=True, scope="module")
def _the_same_every_time() -> Iterator[None]:
    """Which commit this is does not matter here, and asking takes longer than training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "git_revision", lambda: None)
        install(patch, one_by_one())
        yield


def timeless(runs: tuple[Run, ...]) -> list[Run]:
    """Runs without what the clock says."""

    def still(points: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple(replace(point, seconds=0.0) for point in points)

    return [replace(run, seconds=0.0, curve=still(run.curve), evaluations=still(run.evaluations)) for run in runs]


def same(a: Comparison, b: Comparison) -> bool:
    """Whether two results are equal but for the times; nan equals nan."""
    return repr((timeless(a.runs), a.candidates, a.conditions)) == repr((timeless(b.runs), b.candidates, b.conditions))


@pytest.fixture(scope="module")
def whole() -> Comparison:
    """What comes out if nothing interrupts."""
    torch.set_num_threads(1)
    return compare(**problem())


# ----------------------------------------------------------------------------------------------------- what is written


def test_without_out_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Comparison):
    monkeypatch.chdir(tmp_path)
    assert same(compare(**problem()), whole)
    assert list(tmp_path.iterdir()) == []


def test_the_journal_says_everything_and_checkpoints_are_gone_at_the_end(tmp_path: Path, whole: Comparison):
    result = compare(**problem(), out=tmp_path / "new" / "place")
    assert same(result, whole)
    lines = read(tmp_path / "new" / "place")
    assert lines[0]["kind"] == "comparison" and lines[0]["config"]["steps"] == 12
    assert lines[-1]["kind"] == "end" and not lines[-1]["interrupted"]
    assert {line["kind"] for line in lines} == {"comparison", "conditions", "decision", "runs", "stopped", "end"} - (
        set() if any(run.status == "stopped" for run in result.runs) else {"stopped"}
    )
    assert [path.name for path in (tmp_path / "new" / "place").iterdir()] == ["runs.jsonl"]
    read_again = load(tmp_path / "new" / "place")
    assert same(read_again, result) and not read_again.interrupted
    assert repr(read_again.runs) == repr(result.runs)  # times too


def test_resuming_what_is_complete_does_nothing(tmp_path: Path):
    calls: list[int] = []

    def counted(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return (outputs - targets).square().mean()

    told: list[Run] = []
    first = compare(**problem(loss_fn=counted), out=tmp_path)
    text, before = (tmp_path / "runs.jsonl").read_bytes(), len(calls)
    again = compare(**problem(loss_fn=counted), out=tmp_path, resume=True, on_result=told.append)
    assert (tmp_path / "runs.jsonl").read_bytes() == text
    assert len(calls) == before and told == []
    assert repr(again.runs) == repr(first.runs) and again.seconds == pytest.approx(first.seconds, abs=0.1)
    assert again.conditions == first.conditions and again.candidates == first.candidates


# -------------------------------------------------------------------------------------------------------------- Ctrl-C


class Interrupting:
    """A loss that raises at its n-th call."""

    def __init__(self, at: int) -> None:
        self.calls, self.at = 0, at

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return torch.nn.functional.mse_loss(outputs, targets)


def small(loss_fn: Any) -> dict[str, Any]:
    return problem(loss_fn=loss_fn, optimizers="adamw", lrs=[1e-3, 1e-1], steps=6, seeds=1)


def test_ctrl_c_at_every_evaluation_gives_what_there_is_and_resumes_to_the_same(tmp_path: Path):
    never = Interrupting(0)
    uninterrupted = compare(**small(never))
    assert never.calls > 20
    torch.manual_seed(3)
    random = torch.get_rng_state()
    for at in range(1, never.calls + 1):
        out, given = tmp_path / str(at), small(Interrupting(at))
        torch.set_rng_state(random)
        partial = compare(**given, out=out)
        if at == 1:
            assert partial.runs == ()  # the speed was being measured
        assert partial.interrupted and torch.equal(torch.get_rng_state(), random)
        known = {(run.lr, run.rung): run.loss for run in uninterrupted.runs}
        for run in partial.runs:
            assert run.status in ("finished", "stopped", "unfinished")
            assert run.status != "finished" or run.loss == known[run.lr, run.rung]
        assert partial.table() and load(out).interrupted
        assert repr(load(out).runs) == repr(partial.runs)
        resumed = compare(**small(Interrupting(0)), out=out, resume=True)
        assert same(resumed, uninterrupted) and not resumed.interrupted
        assert not (out / "ckpt").exists()


def test_ctrl_c_in_any_function_of_the_search(tmp_path: Path):
    """Raised where Python calls a function of ours, the n-th time, once the arguments have been checked."""

    def run(at: int, out: Path) -> tuple[Comparison | None, int]:
        calls, begun = 0, False

        def trace(frame: Any, event: str, arg: Any) -> None:
            nonlocal calls, begun
            name = frame.f_code.co_filename
            if event != "call" or "comparing" not in name:
                return
            begun = begun or frame.f_code.co_name == "_plan"
            if begun and frame.f_code.co_name not in ("close", "<lambda>"):
                calls += 1
                if calls == at:
                    sys.setprofile(None)
                    raise KeyboardInterrupt

        sys.setprofile(trace)
        try:
            return compare(**small(torch.nn.MSELoss()), out=out), calls
        finally:
            sys.setprofile(None)

    uninterrupted, total = run(0, tmp_path / "whole")
    assert uninterrupted is not None and total > 100
    for at in range(1, total, max(1, total // 12)):
        out = tmp_path / str(at)
        partial, _ = run(at, out)
        assert partial is not None and partial.interrupted
        assert same(compare(**small(torch.nn.MSELoss()), out=out, resume=True), uninterrupted)


def test_a_second_ctrl_c_comes_through(monkeypatch: pytest.MonkeyPatch):
    def again(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lanes.Lanes, "close", again)
    given = small(Interrupting(9))
    random = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        compare(**given)
    assert torch.equal(torch.get_rng_state(), random)


def test_a_deadline_leaves_a_result_that_more_minutes_complete(tmp_path: Path):
    """Nothing is cut here, as the plan believes in fast steps; the run that is slow then is broken off."""
    slow = Interrupting(0)

    def loss_fn(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if slow.calls == 130:
            import time

            time.sleep(1.2)
        return slow(outputs, targets)

    given = problem(loss_fn=loss_fn, steps=30)
    late = compare(**{**given, "minutes": 1.2 / 60}, out=tmp_path)
    assert any("stopped after 1.2 s" in cut for cut in late.conditions.cuts) and not late.interrupted
    assert any(run.status == "unfinished" for run in late.runs)
    resumed = compare(**{**given, "minutes": 1.0}, out=tmp_path, resume=True)
    assert same(resumed, compare(**given))


# ------------------------------------------------------------------------------------------------------------- kill -9


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
import test_compare_resume as here
from descend.tools.comparing import compare, journal, search
search.git_revision = lambda: None
here.install(here.pytest.MonkeyPatch(), here.one_by_one())

folder = Path({folder!r})
given = here.problem(lrs="auto", steps=60, optimizers="adamw")
uninterrupted = compare(**given)  # whatever is imported or compiled at first is there in every copy

def child(work):
    '''Do it in a copy of this process; returns how the copy ended.'''
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]

def killed_at(moment, out):
    '''kill -9 at the n-th of: a write, half a write, a checkpoint, one half written, one that became valid.'''
    events = 0
    def event():
        nonlocal events
        events += 1
        if events == moment:
            os.kill(os.getpid(), signal.SIGKILL)
    write, replace, save = journal.Journal._write, os.replace, torch.save
    def torn(self, kind, **values):
        event()
        if events + 1 == moment:
            self._stream.write(b'{{"kind": "runs", "ru')
            self._stream.flush()
        event()
        write(self, kind, **values)
    def replaced(source, target):
        event()
        replace(source, target)
        event()
    def saved(state, stream):
        save(state, stream)
        event()
    def work():
        journal.Journal._write, os.replace, torch.save = torn, replaced, saved
        compare(**given, out=out)
        (folder / "events").write_text(str(events))
    return work

assert child(killed_at(0, folder / "whole")) == 0
total = int((folder / "events").read_text())
assert total > 60, total
assert here.same(here.load(folder / "whole"), uninterrupted)
for moment in [1, 2, 3, 5, *range(8, total, total // 6)]:
    out = folder / str(moment)
    assert child(killed_at(moment, out)) == signal.SIGKILL, moment
    def resume():
        resumed = compare(**given, out=out, resume=True)
        assert here.same(resumed, uninterrupted), moment
        assert here.same(here.load(out), uninterrupted), moment
        assert os.listdir(out) == ["runs.jsonl"], os.listdir(out)
    assert child(resume) == 0, moment
print("resumed", total)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process are made by os.fork")
def test_kill_9_and_resume_give_the_same_table(tmp_path: Path):
    code = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2] == "resumed"


def test_copies_that_train_together_are_a_line_and_the_decision_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Comparison
):
    asked: list[int] = []
    together: list[int] = []

    def worth_it(problem: Any, trials: Any) -> tuple[bool, str]:
        asked.append(len(trials))
        return len(trials) > 2, "yes: 2.0x faster" if len(trials) > 2 else "no: the loop is faster"

    def run(trials: Any, until: int, deadline: float | None) -> None:
        together.append(len(trials))
        for trial in trials:
            trial.run(until, deadline)

    module = ModuleType("descend.tools.comparing.stacked")
    module.worth_it, module.run = worth_it, run  # type: ignore[attr-defined]
    install(monkeypatch, module)
    result = compare(**problem(), out=tmp_path)
    assert timeless(result.runs) == timeless(whole.runs)
    assert together and all(count > 2 for count in together) and asked == [3, 3]  # once for each optimizer
    assert set(result.conditions.stacked.values()) == {"yes: 2.0x faster"}
    lines = read(tmp_path)
    sizes = [len(line["runs"]) for line in lines if line["kind"] == "runs"]
    assert sum(size for size in sizes if size > 1) == sum(together)
    # Broken off anywhere, it is resumed without asking again, groups as a whole.
    text = (tmp_path / "runs.jsonl").read_bytes().splitlines(keepends=True)
    for kept in (5, len(text) // 2, len(text) - 2):
        (tmp_path / "runs.jsonl").write_bytes(b"".join(text[:kept]) + b'{"ki')
        before = len(asked)
        resumed = compare(**problem(), out=tmp_path, resume=True)
        decided = sum(line["kind"] == "decision" and "stacked" in line["name"] for line in lines[:kept])
        assert same(resumed, result) and len(asked) - before == len(set(asked)) * 2 - decided


def test_whether_copies_could_train_together_is_not_asked_where_steps_are_long(monkeypatch: pytest.MonkeyPatch):
    module = ModuleType("descend.tools.comparing.stacked")  # it cannot even be asked
    install(monkeypatch, module)
    monkeypatch.setattr(lanes, "LONG", 0.0)
    (said,) = compare(**small(torch.nn.MSELoss())).conditions.stacked.values()
    assert said.startswith("no: with ") and said.endswith(" ms a step there is nothing to gain")


# ------------------------------------------------------------------------------------------------ damage and mistakes


def test_a_line_that_is_half_written_is_dropped_and_done_again(tmp_path: Path, whole: Comparison):
    compare(**problem(), out=tmp_path)
    file = tmp_path / "runs.jsonl"
    data = file.read_bytes()
    assert data.count(b"\n") > 12
    for cut in (5, len(data) // 3, len(data) // 2, len(data) - 20):
        file.write_bytes(data[:cut])
        assert same(compare(**problem(), out=tmp_path, resume=True), whole)
        assert same(load(tmp_path), whole)


def test_damage_in_the_middle_is_told(tmp_path: Path):
    compare(**small(torch.nn.MSELoss()), out=tmp_path)
    lines = (tmp_path / "runs.jsonl").read_bytes().split(b"\n")
    lines[2] = lines[2][:10]
    (tmp_path / "runs.jsonl").write_bytes(b"\n".join(lines))
    with pytest.raises(ValueError, match="line 3 is damaged"):
        load(tmp_path)
    with pytest.raises(ValueError, match="line 3 is damaged"):
        compare(**small(torch.nn.MSELoss()), out=tmp_path, resume=True)


def test_a_directory_with_results_is_not_overwritten(tmp_path: Path):
    compare(**small(torch.nn.MSELoss()), out=tmp_path)
    before = (tmp_path / "runs.jsonl").read_bytes()
    with pytest.raises(ValueError, match=r"holds a comparison: resume=True .* goes on with it, fresh=True .* deletes"):
        compare(**small(torch.nn.MSELoss()), out=tmp_path)
    assert (tmp_path / "runs.jsonl").read_bytes() == before
    (tmp_path / "notes.txt").write_text("mine")
    compare(**{**small(torch.nn.MSELoss()), "steps": 5}, out=tmp_path, fresh=True)
    assert load(tmp_path).conditions.steps == 5 and (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("changed", "rows"),
    [
        (dict(steps=7), ["steps: 6 there, 7 now"]),
        (dict(seed=1, seeds=3), ["seed: 0 there, 1 now", "seeds: 1 there, 3 now"]),
        (dict(lrs="auto"), ["learning rates: {'AdamW': [0.001, 0.1]} there, 'auto' now"]),
        (dict(optimizers=["adamw(weight_decay=0.5)"], lrs={"adamw": [1e-3, 1e-1]}), ["weight_decay=0.5) (starts"]),
        (dict(optimizers=[descend.AdamW, "sgd"], lrs=[1e-3, 1e-1]), ["optimizers: SGD momentum=0.9: ", " is new"]),
        (dict(loader=[(torch.ones(2, 3), torch.ones(2, 1))]), ["data and model: "]),
        (dict(schedule="cosine", threads=2), ["schedule: 'constant' there, 'cosine' now", "threads: 1 there, 2 now"]),
    ],
)
def test_another_comparison_is_not_resumed_and_the_difference_is_told(
    tmp_path: Path, changed: dict[str, Any], rows: list[str]
):
    compare(**small(torch.nn.MSELoss()), out=tmp_path)
    before = (tmp_path / "runs.jsonl").read_bytes()
    with pytest.raises(ValueError, match="holds another comparison, which cannot be resumed") as caught:
        compare(**{**small(torch.nn.MSELoss()), **changed}, out=tmp_path, resume=True)
    assert all(row in str(caught.value) for row in rows), str(caught.value)
    assert (tmp_path / "runs.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (dict(resume=True, fresh=True), "resume and fresh: give one of them"),
        (dict(resume=True), "resume needs out"),
        (dict(fresh=True), "fresh needs out"),
    ],
)
def test_flags_that_make_no_sense_are_refused(tmp_path: Path, flags: dict[str, bool], message: str):
    out = tmp_path if len(flags) == 2 else None
    with pytest.raises(ValueError, match=message):
        compare(**small(torch.nn.MSELoss()), out=out, **flags)


def test_load_tells_what_is_wrong(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"holds no comparison: there is no runs\.jsonl"):
        load(tmp_path)
    (tmp_path / "runs.jsonl").write_text('{"kind": "compa')
    with pytest.raises(ValueError, match="has not begun"):
        load(tmp_path)
    (tmp_path / "runs.jsonl").write_text('{"kind": "comparison", "config": {"format": 99}}\n')
    with pytest.raises(ValueError, match="not written by this version"):
        load(tmp_path)


def test_resume_in_an_empty_directory_begins(tmp_path: Path):
    result = compare(**small(torch.nn.MSELoss()), out=tmp_path, resume=True)
    assert len(result.runs) >= 2 and same(load(tmp_path), result)


def test_decisions_are_made_once(tmp_path: Path):
    def never() -> Any:
        raise AssertionError("it was decided already")

    config = {"steps": 1}
    first = Journal(tmp_path, config)
    first.begin({}, [])
    assert first.decide("x", lambda: {"a": [1, 2.5, None]}) == {"a": [1, 2.5, None]}
    first.close()
    second = Journal(tmp_path, config, resume=True)
    assert second.decide("x", never) == {"a": [1, 2.5, None]}
    second.close()
    assert [json.loads(line)["kind"] for line in (tmp_path / "runs.jsonl").read_text().splitlines()] == [
        "comparison",
        "decision",
    ]


def test_differences_are_told_item_by_item():
    assert diff({"a": 1, "b": ["x", "y"], "c": 2}, {"a": 1, "b": ["y", "z"], "d": 3}) == [
        "b: x is there, and not now", "b: z is new", "c: 2 there, None now", "d: None there, 3 now",
    ]  # fmt: skip
    assert diff({"b": ["x", "y"]}, {"b": ["y", "x"]}) == ["b: in another order"]


def test_an_optimizer_whose_state_cannot_be_saved_starts_anew_after_an_interruption(tmp_path: Path):
    class Closed(torch.optim.SGD):
        def state_dict(self) -> Any:
            raise NotImplementedError("no state here")

    def build(params: Any, lr: float) -> Closed:
        return Closed(params, lr=lr, momentum=0.9)

    def given(loss_fn: Interrupting) -> dict[str, Any]:
        return problem(loss_fn=loss_fn, optimizers=[build], seeds=1)

    never = Interrupting(0)
    uninterrupted = compare(**given(never))
    partial = compare(**given(Interrupting(never.calls - 5)), out=tmp_path)
    assert partial.interrupted and any(run.rung == 1 for run in partial.runs)
    assert same(compare(**given(Interrupting(0)), out=tmp_path, resume=True), uninterrupted)
