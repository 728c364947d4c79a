"""`descend compare` as a user types it: results to stdout, progress to stderr, files, exit codes, resuming."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from descend.tools import cli

SETUP = """
import os, time
import torch
from torch import nn

def setup():
    torch.manual_seed(0)
    x = torch.randn(64, 3)
    y = x.sum(1, keepdim=True)
    slow = float(os.environ.get("SLOW", "0"))

    def loss_fn(outputs, targets):
        time.sleep(slow)
        return nn.functional.mse_loss(outputs, targets)

    return nn.Linear(3, 1), list(zip(x.split(16), y.split(16))), loss_fn

def diverging():
    model, loader, _ = setup()
    return model, loader, lambda outputs, targets: (outputs - targets).pow(2).mean() * float("nan")

def broken():
    raise OSError("the data are elsewhere")
"""
FAST = ("--optimizers", "sgd,torch.Adam", "--lrs", "0.01,0.1", "--steps", "20")
ESCAPE = "\x1b"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train.py").write_text(SETUP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compare(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.main(["compare", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def process(*arguments: str, **environment: str) -> subprocess.Popen:
    """`descend compare` as a process that Ctrl-C can stop; children of a shell's background job ignore it otherwise."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from descend.tools.cli import main; raise SystemExit(main())"
    )
    command = [sys.executable, "-c", code, "compare", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )


def test_the_result_goes_to_stdout_and_progress_to_stderr(project, capsys):
    code, out, err = compare("train.py:setup", *FAST, capsys=capsys)
    assert code == 0
    assert out.startswith("descend compare  train.py:setup  4 parameters  batch 16  cpu")
    assert re.search(r"^Use: (descend.SGD|torch.optim.Adam)\(model.parameters\(\), lr=", out, re.MULTILINE)
    assert "torch.Adam lr 0.1: 20 steps" in err
    assert "SGD momentum=0.9 lr" not in out
    assert ESCAPE not in out + err
    assert os.listdir() == ["train.py"] or sorted(os.listdir()) == ["__pycache__", "train.py"]


def test_quiet_means_quiet(project, capsys):
    assert compare("train.py:setup", *FAST, "--quiet", capsys=capsys)[2] == ""


def test_json_markdown_csv_html_and_pictures(project, capsys):
    code, out, _ = compare("train.py:setup", *FAST, "--json", "--quiet", capsys=capsys)
    data = json.loads(out)
    assert code == 0
    assert {run["optimizer"] for run in data["runs"]} == {"SGD momentum=0.9", "torch.Adam"}
    files = ("--csv", "a.csv", "--html", "a.html", "--plot", "a.svg", "--md", "a.md", "--json", "a.json")
    code, out, err = compare("train.py:setup", *FAST, *files, capsys=capsys)
    assert code == 0
    assert all(f"wrote {name}" in err for name in ("a.csv", "a.html", "a.svg", "a.md", "a.json"))
    with open("a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(json.loads(Path("a.json").read_text())["runs"])
    assert "<svg" in Path("a.svg").read_text()
    assert "torch.Adam" in Path("a.html").read_text()
    assert "| torch.Adam |" in Path("a.md").read_text()
    assert out.startswith("descend compare")


def test_a_directory_keeps_everything_and_guards_it(project, capsys):
    code, out, err = compare("train.py:setup", *FAST, "--out", "runs/a", capsys=capsys)
    assert code == 0
    assert {"runs.jsonl", "results.csv", "lr.png", "curves.png", "report.html"} <= set(os.listdir("runs/a"))
    code, _, err = compare("train.py:setup", *FAST, "--out", "runs/a", capsys=capsys)
    assert code == 2
    assert "--resume" in err or "resume" in err
    assert "fresh" in err
    code, again, _ = compare("train.py:setup", *FAST, "--out", "runs/a", "--resume", capsys=capsys)
    assert (code, again) == (0, out)
    code, _, err = compare("train.py:setup", *FAST[:-1], "30", "--out", "runs/a", "--resume", capsys=capsys)
    assert code == 2
    assert re.search(r"steps.*20.*30", err)
    assert cli.main(["show", "runs/a"]) == 0
    assert capsys.readouterr().out == out


def test_ctrl_c_prints_what_there_is_and_resume_finishes_it(project, capsys):
    arguments = ("train.py:setup", "--optimizers", "sgd", "--lrs", "0.01,0.1", "--steps", "30", "--out", "runs")
    with process(*arguments, SLOW="0.02") as running:
        journal = Path("runs/runs.jsonl")
        deadline = time.monotonic() + 60
        while not (journal.exists() and '"rung_losses"' in journal.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "interrupted" in out
    assert "--resume" in err
    assert "Traceback" not in err
    code, resumed, _ = compare(*arguments, "--resume", capsys=capsys)
    assert code == 0
    assert "interrupted" not in resumed
    fresh = compare(*arguments, "--fresh", capsys=capsys)[1]
    # Times differ between two trainings, and with them nothing else.
    assert re.sub(r"\d+\.\d+|\s+", " ", resumed).split() == re.sub(r"\d+\.\d+|\s+", " ", fresh).split()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train.py"], "must be demo:NAME, FILE.py:FUNCTION or MODULE:FUNCTION"),
        (["demo:nothing"], "unknown demo 'demo:nothing'; the ones that exist"),
        (["train.py:broken"], r"broken\(\) raised OSError: the data are elsewhere"),
        (["train.py:setup", "--optimizers", "adamm"], "unknown optimizer 'adamm'"),
        (["train.py:setup", "--optimizers", "adam(beta=1)"], "Adam has no option 'beta'"),
        (["train.py:setup", "--lrs", "0.1,-1"], "--lrs: each rate must be a positive number, got '-1'"),
        (["train.py:setup", "--resume"], "--resume and --fresh need --out"),
        (["train.py:setup", "--json", "--md"], "--json and --md both write to stdout"),
        (["train.py:setup", "--csv", "nowhere/a.csv"], "cannot write 'nowhere/a.csv': there is no directory 'nowhere'"),
        (["train.py:setup", "--plot", "a.xyz"], "suffix must be one of"),
        (["train.py:setup", "--steps", "0"], "--steps: must be a whole number from 1"),
        (["train.py:setup", "--minutes", "no"], "--minutes: must be a positive number, got 'no'"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_trained(project, capsys, arguments, message):
    try:
        code, out, err = compare(*arguments, capsys=capsys)
    except SystemExit as stopped:  # argparse's own complaints
        code, err = stopped.code, capsys.readouterr().err
        out = ""
    assert code == 2
    assert out == ""
    assert re.search(message, err), err
    assert "lr 0" not in err, "nothing was trained"


def test_all_diverged_is_exit_code_1(project, capsys):
    code, out, _ = compare("train.py:diverging", *FAST, "--quiet", capsys=capsys)
    assert code == 1
    assert "diverged" in out


def test_all_failed_is_exit_code_1_and_says_why(project, capsys):
    code, out, err = compare("train.py:setup", "--optimizers", "sparseadam", "--lrs", "0.1", "--quiet", capsys=capsys)
    assert (code, out) == (1, "")
    assert "SparseAdam does not support dense gradients" in err


def test_the_traceback_of_a_setup_is_shown(project, capsys):
    _, _, err = compare("train.py:broken", capsys=capsys)
    assert "in broken" in err
    assert err.rstrip().splitlines()[-1].startswith("descend: error: 'train.py:broken'")
