"""`descend compare` and `descend version`: as functions, and as the command a user types.

Numbers are checked against torch.optim and least squares; times only for being times.
"""

import contextlib
import json
import math
import os
import re
import signal
import struct
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import descend
from descend import tools
from descend.tools import cli, plots, report
from descend.tools.workloads import WORKLOADS, digits, line

ESCAPE = "\x1b"
FIRST_ORDER = ["SGD 0.01", "SGD 0.01 momentum 0.9", "RMSprop 0.01", "Adam 0.001", "Adagrad 0.01"]
SETTINGS = [*FIRST_ORDER, "LBFGS 1 max_iter 20"]  # L-BFGS, which takes a closure, is in test_tools_lbfgs.py


def descend_command(*arguments: str, cwd: Path, before: str = "", **environment: str) -> subprocess.CompletedProcess:
    """Run `python -m descend ...` without a terminal; `before` is Python to run in that process first."""
    how = (
        ["-c", f"{before}\nfrom descend.tools.cli import main; raise SystemExit(main())"]
        if before
        else ["-m", "descend"]
    )
    command = [sys.executable, "-W", "error", *how, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=os.environ | environment)


def hide(module: str) -> str:
    """Python that makes `import module` fail as if it were not installed."""
    return f"import sys; sys.modules[{module!r}] = None"


@pytest.fixture(scope="module")
def result() -> tools.Comparison:
    return tools.compare("demo:line")


# ------------------------------------------------------------------------------------------------------- the numbers


@pytest.mark.parametrize("number", range(len(FIRST_ORDER)), ids=FIRST_ORDER)
def test_learned_w_and_b_equal_those_of_torch(result: tools.Comparison, number: int):
    row, setting = result.rows[number], line.SETTINGS[number]
    x, y = line.columns(torch.float32)
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    start = {"w": model.weight.item(), "b": model.bias.item()}
    optimizer = getattr(torch.optim, setting.optimizer)(model.parameters(), **setting.options)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert row.label == SETTINGS[number]
    assert result.start == start
    assert row.final["w"] == pytest.approx(model.weight.item(), abs=line.TOLERANCE, rel=0)
    assert row.final["b"] == pytest.approx(model.bias.item(), abs=line.TOLERANCE, rel=0)
    assert row.max_difference <= line.TOLERANCE
    assert row.max_difference == pytest.approx(
        max(abs(row.final["w"] - model.weight.item()), abs(row.final["b"] - model.bias.item())), abs=1e-12
    )
    # The loss is at most 4, and dloss/dw at most 50: w off by a rounding of 6e-8 moves it by 3e-6.
    assert row.curves["loss"] == pytest.approx(losses, abs=5e-6)
    assert len(row.curves["loss"]) == len(row.curves["w"]) == len(row.curves["b"]) == 100


def test_least_squares_is_the_bottom_of_the_loss():
    n, sx, sy = len(line.X), sum(line.X), sum(line.Y)
    sxx, sxy = sum(x * x for x in line.X), sum(x * y for x, y in zip(line.X, line.Y, strict=True))
    w = (n * sxy - sx * sy) / (n * sxx - sx * sx)  # the normal equations, by hand
    solution = line.least_squares()
    assert solution["w"] == pytest.approx(w, rel=1e-12)
    assert solution["b"] == pytest.approx((sy - w * sx) / n, rel=1e-12)
    around = torch.tensor([[0.0, 0.0], [1e-3, 0.0], [-1e-3, 0.0], [0.0, 1e-3], [0.0, -1e-3]], dtype=torch.float64)
    loss = line.mean_squared_error(solution["w"] + around[:, 0], solution["b"] + around[:, 1])
    assert loss.argmin() == 0


def test_distance_and_times(result: tools.Comparison):
    for row in result.rows:
        expected = math.hypot(row.final["w"] - result.reference["w"], row.final["b"] - result.reference["b"])
        assert row.distance == pytest.approx(expected, rel=1e-12)
        assert 0 < row.step_us < 1e5
        assert 0 < row.torch_step_us < 1e5
        assert row.ratio == row.torch_step_us / row.step_us
        assert row.engine == ("cpu" if row.label in FIRST_ORDER else "eager")
    assert [row.label for row in sorted(result.rows, key=lambda row: row.distance)][:2] == [SETTINGS[-1], SETTINGS[1]]


def test_both_twins_take_every_step_in_alternating_order():
    order: list[str] = []

    def steps(name: str, count: int):
        for _ in range(count):
            order.append(name)
            yield

    tools.comparison.take_turns(steps("a", 3), steps("b", 3))
    assert order == ["a", "b", "b", "a", "a", "b"]


def test_seed_and_epochs(result: tools.Comparison):
    short = tools.compare("demo:line", epochs=3)
    assert short.report_epochs == (1, 2, 3)
    assert [row.curves["loss"] for row in short.rows] == [row.curves["loss"][:3] for row in result.rows]
    other = tools.compare("demo:line", epochs=1, seed=7)
    assert other.start != short.start
    assert len({row.curves["loss"][0] for row in other.rows}) == 1, "all settings begin at the same loss"
    for bad in (dict(epochs=0), dict(seed=-1), dict(seed=2**32)):
        with pytest.raises(ValueError, match=f"{next(iter(bad))} must be .* got {next(iter(bad.values()))}"):
            tools.compare("demo:line", **bad)


def test_a_comparison_leaves_the_callers_random_numbers_and_threads_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    tools.compare("demo:line", epochs=1)
    tools.compare("demo:digits", epochs=1)
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == 2  # as conftest.py sets it


def test_unknown_workload_lists_the_known():
    with pytest.raises(tools.UnknownWorkload, match=r"'demo:lines'(.|\n)*demo:line .*(.|\n)*demo:digits "):
        tools.compare("demo:lines")


def test_a_workload_of_ones_own():
    """Two settings on a parabola whose gradient step is known by hand: p <- p - lr * 2 p."""

    def setup(seed: int) -> tools.Task:
        model = torch.nn.Linear(1, 1, bias=False)
        with torch.no_grad():
            model.weight.fill_(1.0)
        one = torch.ones(1, 1)
        return tools.Task(
            model=model,
            loss_fn=torch.nn.MSELoss(),
            batches=lambda epoch: [(one, 0 * one)] * 2,
            measure=lambda model: {"p": model.weight.item()},
        )

    workload = tools.Workload(
        name="parabola",
        title="p squared",
        setup=setup,
        settings=(tools.Setting("SGD", {"lr": 0.25}), tools.Setting("SGD", {"lr": 0.5})),
        epochs=3,
        reports=1,
        timing_runs=0,
        tables=lambda result: (report.Table("t", ("optimizer",), tuple((row.label,) for row in result.rows)),),
        draw=lambda result, figure: None,
    )
    result = tools.compare(workload)
    assert [row.curves["p"] for row in result.rows] == [(1 / 4, 1 / 16, 1 / 64), (0.0, 0.0, 0.0)]
    assert result.rows[0].curves["loss"][0] == (1 + 1 / 4) / 2  # mean over the epoch's two batches
    assert result.rows[0].distance is None
    assert "SGD 0.25" in str(result)


# ------------------------------------------------------------------------------------------------- tables and JSON


def test_tables_show_every_setting_and_fit_80_columns(result: tools.Comparison):
    text = str(result)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    losses, ended = result.tables()
    assert losses.header == ("optimizer", "20", "40", "60", "80", "100")
    assert [row[0] for row in losses.rows] == [row[0] for row in ended.rows] == SETTINGS
    for cells, row in zip(losses.rows, result.rows, strict=True):
        assert [float(cell) for cell in cells[1:]] == pytest.approx(row.curves["loss"][19::20], abs=5.1e-6)
    assert ended.header == ("optimizer", "w", "b", "distance", "us", "torch us", "ratio", "diff")
    for cells, row in zip(ended.rows, result.rows, strict=True):
        assert [float(cell) for cell in cells[1:4]] == pytest.approx(
            [row.final["w"], row.final["b"], row.distance], abs=5.1e-5
        )
    assert any("within 1e-06" in note for note in ended.notes)


def test_plain_tables_line_up():
    table = report.Table("title", ("name", "a", "long"), (("x", "1", "2"), ("longer", "1000", "3")), ("note",))
    assert report.plain("heading", [table]).splitlines() == [
        "heading",
        "",
        "title",
        "name       a  long",
        "------  ----  ----",
        "x          1     2",
        "longer  1000     3",
        "note",
    ]


def test_json_schema(result: tools.Comparison):
    data = json.loads(result.to_json())
    assert data == json.loads(json.dumps(result.to_dict()))
    assert set(data) == {
        *("workload", "title", "seed", "epochs", "report_epochs"),
        *("start", "reference", "environment", "rows"),
    }
    assert data["workload"] == "demo:line"
    assert data["report_epochs"] == [20, 40, 60, 80, 100]
    assert set(data["start"]) == set(data["reference"]) == {"w", "b"}
    assert data["environment"] == {
        "descend": descend.__version__,
        "torch": torch.__version__,
        "python": sys.version.split()[0].rstrip("+"),
        "threads": 1,
    }
    assert [row["label"] for row in data["rows"]] == SETTINGS
    assert data["rows"][1]["options"] == {"lr": 0.01, "momentum": 0.9}
    for row, source in zip(data["rows"], result.rows, strict=True):
        assert set(row) == {
            *("label", "optimizer", "options", "engine", "final", "distance"),
            *("max_difference", "step_us", "torch_step_us", "ratio", "curves"),
        }
        assert row["curves"] == {name: list(values) for name, values in source.curves.items()}
        assert row["final"] == {name: values[-1] for name, values in source.curves.items()}


def test_json_has_no_nan():
    values = {"a": [1.0, math.nan, {"b": math.inf}], "c": "nan", "d": 3}
    assert json.loads(report.json_text(report.finite(values), None)) == {
        "a": [1.0, None, {"b": None}],
        "c": "nan",
        "d": 3,
    }


# ---------------------------------------------------------------------------------------------------------- pictures


def test_picture_is_a_real_png(result: tools.Comparison, tmp_path: Path):
    file = tmp_path / "line.png"
    result.plot(file)
    content = file.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert width > 1500
    assert height > 700
    from matplotlib.image import imread

    pixels = imread(file)[..., :3]
    for colour in plots.COLOURS[: len(SETTINGS)]:  # every setting's colour is there, on more than a few pixels
        rgb = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        assert (abs(pixels - rgb).max(axis=-1) < 0.01).sum() > 200, colour


@pytest.mark.parametrize("seed", range(4))
def test_labels_do_not_overlap(seed: int):
    from matplotlib.text import Text

    result = tools.compare("demo:line", seed=seed)
    with plots.style():
        figure = plots.new_figure()
        result.workload.draw(result, figure)
        figure.draw_without_rendering()
        left, right = figure.axes
        for axes, expected in ((left, set(SETTINGS)), (right, {*SETTINGS, "start", "least squares"})):
            labels = {text.get_text(): text for text in axes.texts if not text.get_text().startswith("least squares 0")}
            assert set(labels) == expected
            boxes = [Text.get_window_extent(label) for label in labels.values()]
            for k, box in enumerate(boxes):
                assert not any(box.overlaps(other) for other in boxes[:k])
                assert figure.bbox.x0 <= box.x0
                assert box.x1 <= figure.bbox.x1 + 1  # a pixel: extents are rounded
        assert left.get_yscale() == "log"


def test_spread_keeps_order_distance_and_range():
    assert plots.spread([0.5], 0.1, 0, 1) == [0.5]
    assert plots.spread([0.2, 0.8], 0.1, 0, 1) == [0.2, 0.8]
    assert plots.spread([0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.45, 0.55])
    assert plots.spread([0.0, 0.0, 0.05], 0.1, 0, 1) == pytest.approx([0.0, 0.1, 0.2])
    assert plots.spread([1.0, 0.2, 0.99], 0.1, 0, 1) == pytest.approx([1.0, 0.2, 0.9])
    crowded = plots.spread([0.3, 0.31, 0.29, 0.45, 0.9], 0.1, 0, 1)
    assert sorted(range(5), key=crowded.__getitem__) == [2, 0, 1, 3, 4]
    ordered = sorted(crowded)
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(ordered))


def test_picture_leaves_matplotlibs_settings_alone(result: tools.Comparison, tmp_path: Path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    result.plot(tmp_path / "line.svg")
    assert dict(matplotlib.rcParams) == before
    assert "<svg" in (tmp_path / "line.svg").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------------ the command


def test_command_prints_the_table_and_draws_the_picture(tmp_path: Path):
    done = descend_command("compare", "demo:line", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ESCAPE not in done.stdout + done.stderr
    assert done.stdout.startswith("demo:line: nn.Linear(1, 1) on 15 points")
    assert "\n100 epochs, seed 0, engine cpu, eager, 1 thread\n" in done.stdout
    for label in SETTINGS:
        assert len(re.findall(rf"^{re.escape(label)}  +\S", done.stdout, re.MULTILINE)) == 2
    assert done.stderr.splitlines()[0].startswith("[1/6] SGD 0.01: loss 0.17")
    assert done.stderr.splitlines()[-1] == "wrote descend-line.png"
    assert [file.name for file in tmp_path.iterdir()] == ["descend-line.png"]
    assert (tmp_path / "descend-line.png").stat().st_size > 20_000


def test_command_json_quiet_and_no_picture(tmp_path: Path):
    done = descend_command("compare", "demo:line", "--epochs", "7", "--json", "--quiet", "--plot", "none", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["epochs"] == 7
    assert list(tmp_path.iterdir()) == []


def test_json_and_picture_into_files(tmp_path: Path, capsys: pytest.CaptureFixture):
    data, picture = tmp_path / "out.json", tmp_path / "out.pdf"
    arguments = ["compare", "demo:line", "--epochs", "2", "--seed", "1", "--json", str(data), "--plot", str(picture)]
    assert cli.main(arguments) == 0
    assert json.loads(data.read_text(encoding="utf-8"))["seed"] == 1
    assert picture.read_bytes().startswith(b"%PDF")
    assert "Loss at epoch" in capsys.readouterr().out


def test_json_before_the_workload(capsys: pytest.CaptureFixture):
    """Argparse takes the workload for --json's file here."""
    assert cli.main(["compare", "--plot", "none", "--epochs", "1", "--json", "demo:line"]) == 0
    assert json.loads(capsys.readouterr().out)["workload"] == "demo:line"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["compare", "demo:nothing"],
            r"unknown workload 'demo:nothing'(.|\n)*  demo:line +nn.Linear(.|\n)*  demo:digits ",
        ),
        (["compare"], "which workload\\? One of demo:line, demo:digits"),
        (["compare", "demo:line", "--epochs", "0"], "--epochs: must be a whole number from 1 .* got '0'"),
        (["compare", "demo:line", "--seed", "-1"], "--seed: must be a whole number from 0 .* got '-1'"),
        (
            ["compare", "demo:line", "--plot", "line.xyz"],
            "cannot draw into 'line.xyz': the suffix must be one of .*png",
        ),
        (
            ["compare", "demo:line", "--plot", "nowhere/line.png"],
            "cannot write 'nowhere.line.png': there is no directory",
        ),
        (["compare", "demo:line", "--json", "nowhere/a.json"], "cannot write 'nowhere.a.json': there is no directory"),
        (["train"], "invalid choice: 'train'"),
        ([], "arguments are required: COMMAND"),
    ],
)
def test_wrong_usage_exits_2_and_trains_nothing(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "compare", None)  # calling it would fail
    try:
        code = cli.main(arguments)
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert re.search(complaint, captured.err), captured.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "taken.png").mkdir()
    assert cli.main(["compare", "demo:line", "--epochs", "1", "--plot", str(tmp_path / "taken.png")]) == 2
    captured = capsys.readouterr()
    assert "Loss at epoch" in captured.out, "the table is printed all the same"
    assert re.search(r"error: cannot write .*taken\.png", captured.err)


def test_help_says_what_there_is(capsys: pytest.CaptureFixture):
    for arguments, expected in (
        (["--help"], ["compare", "version", "descend compare demo:line", "exit codes"]),
        (["compare", "--help"], ["--plot", "--json", "--quiet", "--seed", "--epochs", *WORKLOADS]),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == 0
        text = capsys.readouterr().out
        assert all(word in text for word in expected)


def test_version(tmp_path: Path):
    done = descend_command("version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    shown = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert shown["descend"] == descend.__version__
    assert shown["torch"] == torch.__version__
    assert shown["python"].startswith(sys.version.split()[0].rstrip("+"))
    assert shown["engine"] == "cpu"


def test_version_without_numba_names_the_engine_that_is_left(tmp_path: Path):
    done = descend_command("version", cwd=tmp_path, before=hide("numba"), DESCEND_CACHE_DIR=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    shown = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert re.match(r"eager \(.*numba", shown["engine"], re.IGNORECASE)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_interrupt_exits_130_without_a_traceback(tmp_path: Path):
    arguments = ["compare", "demo:line", "--epochs", "1000000", "--plot", "none"]
    code = (
        # A shell's background job ignores SIGINT, and its children would inherit that.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from descend.tools.cli import main\n"
        f"print('ready', flush=True)\nraise SystemExit(main({arguments}))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as running:
        try:
            assert running.stdout.readline() == "ready\n"
            time.sleep(1)  # main() runs from the next line on, for minutes
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == 130
    assert out == ""
    assert err.strip().splitlines()[-1] == "descend: interrupted"
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe that closes early is a POSIX matter")
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path):
    command = [sys.executable, "-m", "descend", "compare", "demo:line", "--epochs", "1", "--plot", "none", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as running:
        running.stdout.close()
        err = running.stderr.read()
    assert (running.returncode, err) == (0, "")


# ------------------------------------------------------------------------------------- terminals and missing extras


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("before", "environment", "coloured"),
    [
        ("pass", {}, True),
        ("pass", {"NO_COLOR": "1"}, False),
        ("pass", {"TERM": "dumb"}, False),
        (hide("rich"), {}, False),
    ],
    ids=["terminal", "NO_COLOR", "TERM=dumb", "rich missing"],
)
def test_colours_on_a_terminal_only_where_wanted(
    tmp_path: Path, before: str, environment: dict[str, str], coloured: bool
):
    import pty

    arguments = ["compare", "demo:line", "--epochs", "2", "--plot", "none"]
    code = f"{before}\nfrom descend.tools.cli import main; raise SystemExit(main({arguments}))"
    unset = {"NO_COLOR", "COLORTERM", "FORCE_COLOR"}
    base = {k: v for k, v in os.environ.items() if k not in unset} | {"TERM": "xterm-256color", "COLUMNS": "100"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=theirs, stderr=subprocess.DEVNULL, cwd=tmp_path, env=base | environment
    ) as running:
        os.close(theirs)
        content = b""
        with contextlib.suppress(OSError):  # how a pseudo-terminal says that the other end is closed
            while block := os.read(ours, 65536):
                content += block
    os.close(ours)
    text = content.decode()
    assert running.returncode == 0
    assert (ESCAPE in text) == coloured
    for label in SETTINGS:
        assert text.count(label) >= 2


def test_without_matplotlib_the_table_is_still_printed(tmp_path: Path):
    done = descend_command("compare", "demo:line", "--epochs", "2", cwd=tmp_path, before=hide("matplotlib"))
    assert done.returncode == 0, done.stderr
    assert "Adagrad 0.01" in done.stdout
    assert "drawing the picture needs matplotlib" in done.stderr
    assert 'pip install "descend[tools]"' in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_and_without_a_picture_nothing_is_said(tmp_path: Path):
    arguments = ("compare", "demo:line", "--epochs", "1", "--plot", "none", "--quiet")
    done = descend_command(*arguments, cwd=tmp_path, before=hide("matplotlib"))
    assert (done.returncode, done.stderr) == (0, "")


def test_without_scikit_learn_the_digits_say_what_to_install(tmp_path: Path):
    done = descend_command("compare", "demo:digits", cwd=tmp_path, before=hide("sklearn"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "demo:digits needs scikit-learn" in done.stderr
    assert 'pip install "descend[tools]"' in done.stderr
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------------------------------------------ demo:digits


def test_digits_data():
    (images, targets), (held_out, answers) = digits.load()
    assert images.shape == (1437, 64)
    assert held_out.shape == (360, 64)
    assert images.dtype == torch.float32
    assert (images.min(), images.max()) == (0, 1)
    assert set(targets.tolist()) == set(answers.tolist()) == set(range(10))
    task = digits.setup(0)
    batches = list(task.batches(1))
    assert [len(t) for _, t in batches] == [64] * 22 + [29]
    assert sorted(torch.cat([t for _, t in batches]).tolist()) == sorted(targets.tolist())
    again, other = list(digits.setup(0).batches(1)), list(task.batches(2))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(batches, again, strict=True))
    assert not torch.equal(batches[0][1], other[0][1])


def test_digits_learn_and_are_shown(tmp_path: Path):
    result = tools.compare("demo:digits", epochs=4)
    assert {row.optimizer for row in result.rows} == {"SGD", "RMSprop", "Adam", "Adagrad", "AdamW"}
    assert len(result.rows) == 6
    for row in result.rows:
        if row.optimizer != "SGD" or "momentum" in row.options:  # plain SGD takes its time
            assert row.final["validation_accuracy"] > 0.85
        assert row.final["validation_loss"] < 0.8 * result.start["validation_loss"]
        assert row.ratio > 0
    learned, timed = result.tables()
    assert learned.header == ("optimizer", "1", "2", "3", "4")
    assert max(map(len, report.plain("", [learned, timed]).splitlines())) <= 80
    cell = learned.rows[3][4].split()
    assert float(cell[0]) == pytest.approx(result.rows[3].final["validation_loss"], abs=5.1e-4)
    assert float(cell[1].rstrip("%")) == pytest.approx(100 * result.rows[3].final["validation_accuracy"], abs=0.051)
    result.plot(tmp_path / "digits.png")
    assert (tmp_path / "digits.png").stat().st_size > 20_000


def test_digits_training_is_torchs_training():
    """After one epoch, 23 steps, the weights are those of the torch.optim twin up to rounding.

    Adam and RMSprop divide by a root that starts near zero, so a gradient's last bit can move a step by a share of lr.
    """
    for row in tools.compare("demo:digits", epochs=1).rows:
        assert row.max_difference <= (1e-5 if row.optimizer == "SGD" else 0.1 * row.options["lr"]), row.label
