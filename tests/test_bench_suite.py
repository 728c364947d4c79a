"""The suites of `descend bench` and its command line: what they run, compute, write and refuse."""

import argparse
import csv
import inspect
import io
import json
import math
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from descend import tools
from descend.tools import bench, comparing, demos
from descend.tools.bench import command, suites
from descend.tools.bench import digits as bench_digits
from descend.tools.extras import MissingExtra
from descend.tools.records import Entry

lockstep_twins = bench.twins

# -------------------------------------------------------------------------------------------- performance profiles

# Seconds to the goal on four problems. Fastest: x on a and c, y on b, nobody on d; z took part in b only.
TIMES: dict[str, dict[str, float | None]] = {
    "a": {"x": 2.0, "y": 3.0},
    "b": {"x": 8.0, "y": 4.0, "z": 20.0},
    "c": {"x": 1.0, "y": None},
    "d": {"x": None, "y": None},
}


def test_ratios_by_hand() -> None:
    assert bench.ratios(TIMES) == {
        "a": {"x": 1.0, "y": 1.5},
        "b": {"x": 2.0, "y": 1.0, "z": 5.0},
        "c": {"x": 1.0, "y": math.inf},
        "d": {"x": math.inf, "y": math.inf},
    }


@pytest.mark.parametrize(
    ("tau", "shares"),
    [
        (1.0, {"x": 2 / 4, "y": 1 / 4, "z": 0.0}),
        (1.5, {"x": 2 / 4, "y": 2 / 4, "z": 0.0}),
        (2.0, {"x": 3 / 4, "y": 2 / 4, "z": 0.0}),
        (5.0, {"x": 3 / 4, "y": 2 / 4, "z": 1 / 4}),
        (1e9, {"x": 3 / 4, "y": 2 / 4, "z": 1 / 4}),
    ],
)
def test_profile_by_hand(tau: float, shares: dict[str, float]) -> None:
    assert bench.profile(TIMES, tau) == shares
    assert list(bench.profile(TIMES, tau)) == ["x", "y", "z"]


# ---------------------------------------------------------------------------------------------------------- suites


def entry(label: str, goal_seconds: float | None, **changes: Any) -> Entry:
    values: dict[str, Any] = dict(
        **dict(rank=1, tied=False, label=label, lr=0.003, loss=0.0123, sd=0.001, metric=0.98, default=None, table=None),
        **dict(window=(0.001, 0.01), window_open=(True, False), sensitivity=0.1, ms_per_step=0.5, drift=(), by_lr=()),
        **dict(goal_steps=None if goal_seconds is None else 120.0, goal_seconds=goal_seconds),
    )
    return Entry(**(values | changes))


def comparison(*entries: Entry, interrupted: bool = False, goal: float | None = 0.1) -> SimpleNamespace:
    conditions = SimpleNamespace(
        steps=440, seeds=2, objective="val loss", goal=goal, metric="accuracy", cuts=("1 seed",)
    )
    return SimpleNamespace(entries=entries, conditions=conditions, seconds=12.0, interrupted=interrupted)


@pytest.fixture(scope="module")
def short() -> tuple[bench.Twins, ...]:
    return tuple(lockstep_twins(demo, epochs=1) for demo in ("demo:line", "demo:digits", "demo:logistic"))


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch, short: tuple[bench.Twins, ...]) -> list[tuple[str, dict[str, Any]]]:
    """Suites that train next to nothing; the list gets the calls of compare."""
    by_name = {each.workload.name: each for each in short}
    monkeypatch.setattr(suites, "twins", lambda demo, seed, progress: by_name[demo])
    calls: list[tuple[str, dict[str, Any]]] = []

    def compare(demo: str, **options: Any) -> SimpleNamespace:
        calls.append((demo, options))
        full_batch = demo in ("demo:line", "demo:logistic", "demo:pinn")
        extra = [entry("LBFGS", 0.5, rank=3)] if full_batch else []
        return comparison(entry("SGD", 2.0), entry("AdamW", 1.0 if full_batch else None, rank=2), *extra)

    monkeypatch.setattr(suites, "_compare", compare)
    return calls


def test_quick_has_the_twins_of_three_demos(fast: list) -> None:
    said: list[str] = []
    result = bench.suite(progress=said.append)
    assert result.name == "quick"
    assert [each.workload.name for each in result.twins] == ["demo:line", "demo:digits", "demo:logistic"]
    assert result.comparisons == {}
    assert fast == [], "compares nothing"
    assert said == ["twins of demo:line", "twins of demo:digits", "twins of demo:logistic"]
    (table,) = result.tables()
    assert len(table.rows) == 18
    first = result.twins[0].rows[0]
    assert table.rows[0] == (
        "line, SGD 0.01",
        f"{first.step_us:.1f}",
        f"{first.torch_step_us:.1f}",
        f"{first.ratio:.1f}x",
        f"{first.max_difference:.0e}",
    )
    assert max(map(len, str(result).splitlines())) <= 80
    assert str(result).startswith("descend bench --suite quick\ndescend ")
    found = json.loads(result.to_json())
    assert [each["workload"] for each in found["twins"]] == ["demo:line", "demo:digits", "demo:logistic"]
    assert (found["comparisons"], found["profile"]) == ([], {})


def test_full_compares_on_every_demo(fast: list, tmp_path: Path) -> None:
    said: list[str] = []
    result = bench.suite("full", out=tmp_path / "out", progress=said.append, seed=3, minutes=2)
    assert [demo for demo, _ in fast] == list(demos.DEMOS)
    assert all(options["seed"] == 3 and options["minutes"] == 2 for _, options in fast)
    assert "  SGD at 0.003: loss 0.0123, 12 s" in said
    assert said[-4:] == [
        f"wrote {tmp_path / 'out' / n}" for n in ("bench.md", "twins.csv", "compare.csv", "profile.csv")
    ]

    _, line_table, *_, shares = result.tables()
    assert line_table.title == "demo:line: 440 steps, 2 seeds, val loss, goal 0.1"
    assert line_table.header[1:4] == ("best lr", "loss", "accuracy")
    assert line_table.notes == ("left out for want of time: 1 seed",)
    assert line_table.rows[0] == ("SGD", "0.003", "0.0123", "0.98", "120", "2", "<0.001 - 0.01", "1.0", "0.50")
    digits_table = result.tables()[3]
    assert digits_table.title.startswith("demo:digits: ")
    assert digits_table.rows[1][4:6] == ("-", "-"), "AdamW did not reach the goal there"
    # L-BFGS is the fastest on the 3 full-batch demos; SGD takes 4 times as long there, and is alone on the other 5.
    assert shares.header == ("optimizer", "demos", "1x", "1.5x", "2x", "3x", "5x", "10x")
    assert shares.rows == (
        ("SGD", "8 of 8", "62%", "62%", "62%", "62%", "100%", "100%"),
        ("LBFGS", "3 of 8", "38%", "38%", "38%", "38%", "38%", "38%"),
        ("AdamW", "8 of 8", "0%", "0%", "38%", "38%", "38%", "38%"),
    )

    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "compare.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 8 * 2 + 3
    assert (rows[0]["demo"], rows[0]["optimizer"], rows[0]["goal_seconds"]) == ("demo:line", "SGD", "2.0")
    assert (rows[0]["times_the_fastest"], rows[2]["times_the_fastest"]) == ("4.0", "1.0")
    unreached = next(row for row in rows if row["demo"] == "demo:digits" and row["optimizer"] == "AdamW")
    assert (unreached["goal_seconds"], unreached["times_the_fastest"]) == ("", "")
    profile = list(csv.DictReader(io.StringIO((tmp_path / "out" / "profile.csv").read_text(encoding="utf-8"))))
    assert {row["tau"] for row in profile} == {"1.0", "1.5", "2.0", "3.0", "4.0", "5.0", "10.0"}
    (at_four,) = (row["share"] for row in profile if row["optimizer"] == "SGD" and row["tau"] == "4.0")
    assert float(at_four) == 1
    twins = list(csv.DictReader(io.StringIO((tmp_path / "out" / "twins.csv").read_text(encoding="utf-8"))))
    assert len(twins) == 18
    assert float(twins[0]["ratio"]) == result.twins[0].rows[0].ratio
    text = (tmp_path / "out" / "bench.md").read_text(encoding="utf-8")
    assert text.startswith("# `descend bench --suite full`\n\ndescend ")
    assert "| SGD | 8 of 8 | 62% | 62% | 62% | 62% | 100% | 100% |" in text
    assert text.count("\n## ") == 10
    assert json.loads(result.to_json())["profile"]["2"] == {"SGD": 5 / 8, "AdamW": 3 / 8, "LBFGS": 3 / 8}


def test_an_interrupted_comparison_ends_the_suite(fast: list, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def compare(demo: str, **options: Any) -> SimpleNamespace:
        calls.append(demo)
        return comparison(entry("SGD", 2.0), interrupted=len(calls) == 2)

    monkeypatch.setattr(suites, "_compare", compare)
    result = bench.suite("full")
    assert result.interrupted
    assert list(result.comparisons) == calls == list(demos.DEMOS)[:2]
    assert "demo:regression: 440 steps" in str(result)


def test_suites_compare_with_tools_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(tools, "compare", lambda demo, **options: calls.append((demo, options)))
    suites._compare("demo:line", seed=1, minutes=2.0, progress=None)
    assert calls == [("demo:line", {"seed": 1, "minutes": 2.0, "progress": None})]
    accepted = inspect.signature(comparing.compare).parameters
    assert {"seed", "minutes", "progress"} <= set(accepted)


@pytest.mark.parametrize("given", [{"name": "huge"}, {"minutes": 0}, {"minutes": math.nan}])
def test_wrong_arguments_train_nothing(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites, "twins", None)  # calling it would fail
    (name, value), *_ = given.items()
    with pytest.raises(ValueError, match=rf"{name} must be .*{value}"):
        bench.suite(**given)


def test_data_that_are_missing_are_told_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites, "twins", None)
    convnet = demos.find("demo:convnet")
    monkeypatch.setattr(convnet, "load", convnet.load.__wrapped__)
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    with pytest.raises(MissingExtra, match="demo:convnet needs mnist1d"):
        bench.suite("full")


# ----------------------------------------------------------------------------------------------------- command line


def run(*arguments: str) -> tuple[int, str, list[str]]:
    """Exit code, stdout, and the lines of progress."""
    parser = argparse.ArgumentParser(prog="descend bench")
    bench.add_arguments(parser)
    out, said = io.StringIO(), []
    code = bench.run(parser.parse_args(arguments), out, said.append)
    return code, out.getvalue(), said


def test_a_demo_prints_its_tables_and_draws_its_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, said = run("demo:line", "--epochs", "5")
    assert code == 0
    assert out.startswith("demo:line: nn.Linear(1, 1) on 15 points")
    assert "\n5 epochs, seed 0, engine cpu, eager, 1 thread\n" in out
    for label in ("SGD 0.01", "Adagrad 0.01", "LBFGS 1 max_iter 20"):
        assert len(re.findall(rf"^{re.escape(label)}  +\S", out, re.MULTILINE)) == 2
    assert said[0].startswith("[1/6] SGD 0.01: loss 0.")
    assert said[-1] == "wrote descend-line.png"
    assert [file.name for file in tmp_path.iterdir()] == ["descend-line.png"]
    assert (tmp_path / "descend-line.png").stat().st_size > 20_000


def test_json_alone_goes_to_stdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, said = run("demo:line", "--epochs", "7", "--json", "--quiet", "--plot", "none")
    assert (code, said) == (0, [])
    assert json.loads(out)["epochs"] == 7
    # argparse takes the demo for --json's file here
    assert json.loads(run("--plot", "none", "--epochs", "1", "--json", "demo:line")[1])["workload"] == "demo:line"
    assert list(tmp_path.iterdir()) == []


def test_json_and_picture_into_files(tmp_path: Path) -> None:
    data, picture = tmp_path / "out.json", tmp_path / "out.pdf"
    code, out, said = run(
        *("demo:line", "--epochs", "2", "--seed", "1", "--json", str(data), "--plot", str(picture)),
    )
    assert code == 0
    assert json.loads(data.read_text(encoding="utf-8"))["seed"] == 1
    assert picture.read_bytes().startswith(b"%PDF")
    assert "Loss at epoch" in out
    assert said[-2:] == [f"wrote {data}", f"wrote {picture}"]


def test_a_suite_on_the_command_line(fast: list, tmp_path: Path) -> None:
    code, out, said = run(
        *("--suite", "full", "--minutes", "0.5", "--out", str(tmp_path / "results"), "--json", str(tmp_path / "a.json"))
    )
    assert code == 0
    assert {options["minutes"] for _, options in fast} == {0.5}
    assert out.startswith("descend bench --suite full\n")
    assert "Share of the demos" in out
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["suite"] == "full"
    assert sorted(file.name for file in (tmp_path / "results").iterdir()) == [
        *("bench.md", "compare.csv", "profile.csv", "twins.csv")
    ]
    assert said[-1] == f"wrote {tmp_path / 'results' / 'profile.csv'}"
    code, out, said = run("--suite", "quick", "--json", "--quiet")
    assert (code, said, json.loads(out)["suite"]) == (0, [], "quick")


def test_an_interrupted_suite_exits_130(fast: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites, "_compare", lambda demo, **options: comparison(entry("SGD", None), interrupted=True))
    code, out, _ = run("--suite", "full")
    assert code == 130
    assert "demo:line: 440 steps" in out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["demo:nothing"], r"unknown demo 'demo:nothing'(.|\n)*  demo:line +nn.Linear(.|\n)*  demo:digits "),
        ([], r"which demo\? One of demo:line, demo:digits, demo:logistic; or --suite quick"),
        (["demo:line", "--suite", "quick"], "either demo:line or --suite quick, not both"),
        (["--suite", "quick", "--epochs", "3"], "--epochs goes with a demo, got 3"),
        (["--suite", "quick", "--plot", "a.png"], "--plot goes with a demo, got 'a.png'"),
        (["demo:line", "--out", "results"], "--out goes with a suite, got 'results'"),
        (["demo:line", "--minutes", "3"], "--minutes goes with a suite, got 3"),
        (["--suite", "full", "--minutes", "0"], "--minutes: must be a positive number, got '0'"),
        (["--suite", "quick", "--out", "nowhere/results"], "cannot write 'nowhere.results': there is no directory"),
        (["demo:line", "--epochs", "0"], "--epochs: must be a whole number from 1 .* got '0'"),
        (["demo:line", "--seed", "-1"], "--seed: must be a whole number from 0 .* got '-1'"),
        (["demo:line", "--plot", "line.xyz"], "cannot draw into 'line.xyz': the suffix must be one of .*png"),
        (["demo:line", "--plot", "nowhere/line.png"], "cannot write 'nowhere.line.png': there is no directory"),
        (["demo:line", "--json", "nowhere/a.json"], "cannot write 'nowhere.a.json': there is no directory"),
        (["--suite", "huge"], "invalid choice: 'huge'"),
    ],
)
def test_wrong_usage_exits_2_and_trains_nothing(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "twins", None)  # calling it would fail
    monkeypatch.setattr(command, "suite", None)
    try:
        code, out, said = run(*arguments)
    except SystemExit as stop:
        code, out, said = int(str(stop.code)), "", []
    assert (code, out, said) == (2, "", [])
    assert re.search(complaint, capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_out_that_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "suite", None)
    (tmp_path / "taken").write_text("", encoding="utf-8")
    assert run("--suite", "quick", "--out", str(tmp_path / "taken"))[0] == 2
    assert re.search(r"cannot write .*taken': it is no directory", capsys.readouterr().err)


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken.png").mkdir()
    code, out, _ = run("demo:line", "--epochs", "1", "--plot", str(tmp_path / "taken.png"))
    assert (code, out) == (2, ""), "told before the training"
    assert re.search(r"error: cannot write .*taken\.png': it is a directory", capsys.readouterr().err)


def test_a_file_that_turns_out_not_to_be_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(self: bench.Twins, file: Path) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(bench.Twins, "plot", refuse)
    code, out, _ = run("demo:line", "--epochs", "1", "--plot", str(tmp_path / "line.png"))
    assert code == 2
    assert "Loss at epoch" in out, "the table is printed all the same"
    assert re.search(r"error: cannot write .*line\.png'?: Permission denied", capsys.readouterr().err)


def test_without_matplotlib_the_table_is_still_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, _ = run("demo:line", "--epochs", "1")
    assert code == 0
    assert "Adagrad 0.01" in out
    complaint = capsys.readouterr().err
    assert "no picture: drawing the picture needs matplotlib" in complaint
    assert 'pip install "descend[tools]"' in complaint
    assert list(tmp_path.iterdir()) == []
    assert run("demo:line", "--epochs", "1", "--plot", "none", "--quiet")[0] == 0
    assert capsys.readouterr().err == ""


def test_without_scikit_learn_the_digits_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digits = demos.find("demo:digits")
    monkeypatch.setattr(bench_digits, "load", digits.load.__wrapped__)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert run("demo:digits", "--plot", "none")[:2] == (2, "")
    complaint = capsys.readouterr().err
    assert "demo:digits needs scikit-learn" in complaint
    assert 'pip install "descend[tools]"' in complaint


def test_help_names_the_demos(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run("--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for word in ("--plot", "--json", "--quiet", "--seed", "--epochs", "--suite", "--out", "demo:line", "demo:logistic"):
        assert word in text
