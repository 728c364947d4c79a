"""The command `descend` as a user types it: processes, pipes, terminals, signals, and what is not installed.

What its subcommands print and refuse is tested with their modules.
"""

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import descend
from descend.tools import cli, report

ESCAPE = "\x1b"
SETTINGS = ["SGD 0.01", "SGD 0.01 momentum 0.9", "RMSprop 0.01", "Adam 0.001", "Adagrad 0.01", "LBFGS 1 max_iter 20"]


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


def test_json_has_no_nan():
    values = {"a": [1.0, math.nan, {"b": math.inf}], "c": "nan", "d": 3}
    assert json.loads(report.json_text(report.finite(values), None)) == {
        "a": [1.0, None, {"b": None}],
        "c": "nan",
        "d": 3,
    }


def test_command_prints_the_table_and_draws_the_picture(tmp_path: Path):
    done = descend_command("bench", "demo:line", cwd=tmp_path)
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
    done = descend_command("bench", "demo:line", "--epochs", "7", "--json", "--quiet", "--plot", "none", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["epochs"] == 7
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["bench", "demo:nothing"], r"unknown demo 'demo:nothing'(.|\n)*  demo:line +nn.Linear(.|\n)*  demo:digits "),
        (["bench"], "which demo\\? One of demo:line, demo:digits"),
        (["bench", "demo:line", "--epochs", "0"], "--epochs: must be a whole number from 1 .* got '0'"),
        (["train"], "invalid choice: 'train'"),
        ([], "arguments are required: COMMAND"),
    ],
)
def test_wrong_usage_exits_2(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    monkeypatch.chdir(tmp_path)
    try:
        code = cli.main(arguments)
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert re.search(complaint, captured.err), captured.err
    assert list(tmp_path.iterdir()) == []


def test_help_says_what_there_is(capsys: pytest.CaptureFixture):
    for arguments, expected in (
        (["--help"], ["compare", "bench", "version", "descend compare demo:digits", "exit codes"]),
        (["bench", "--help"], ["--plot", "--json", "--quiet", "--seed", "--epochs", "demo:line", "demo:logistic"]),
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
    arguments = ["bench", "demo:line", "--epochs", "1000000", "--plot", "none"]
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
    command = [sys.executable, "-m", "descend", "bench", "demo:line", "--epochs", "1", "--plot", "none", "--quiet"]
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

    arguments = ["bench", "demo:line", "--epochs", "2", "--plot", "none"]
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
    done = descend_command("bench", "demo:line", "--epochs", "2", cwd=tmp_path, before=hide("matplotlib"))
    assert done.returncode == 0, done.stderr
    assert "Adagrad 0.01" in done.stdout
    assert "drawing the picture needs matplotlib" in done.stderr
    assert 'pip install "descend[tools]"' in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_and_without_a_picture_nothing_is_said(tmp_path: Path):
    arguments = ("bench", "demo:line", "--epochs", "1", "--plot", "none", "--quiet")
    done = descend_command(*arguments, cwd=tmp_path, before=hide("matplotlib"))
    assert (done.returncode, done.stderr) == (0, "")


def test_without_scikit_learn_the_digits_say_what_to_install(tmp_path: Path):
    done = descend_command("bench", "demo:digits", cwd=tmp_path, before=hide("sklearn"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "demo:digits needs scikit-learn" in done.stderr
    assert 'pip install "descend[tools]"' in done.stderr
    assert "Traceback" not in done.stderr
