"""What is shown while a comparison runs, on a terminal, in a pipe, in a notebook, and not at all."""

import io
import os
import pty
import re
import sys
import types

import pytest

from descend.tools import progress
from descend.tools.records import Run

RUNS = [
    Run("AdamW", 0.001, 0, status="finished", steps=440, seconds=1.25, loss=0.0881, rung=2),
    Run("AdamW", 1.0, 1, status="diverged", steps=12, seconds=0.03, message="the loss was nan at step 12"),
    Run("SGD", 1e-5, 0, status="stopped", steps=44, seconds=0.1, loss=2.3, rung=0),
    Run("Odd", 0.1, 0, status="failed", message="RuntimeError: no"),
    Run("SGD", 0.1, 0, status="unfinished", steps=5),
]  # fmt: skip
UPDATE = dict(rung=2, rungs=3, done=48, total=66, best=(0.0032, 0.088), diverged=6, elapsed=6.2, left=3.4)


def everything(shown: progress.Progress) -> None:
    shown.plan(["two lines", "of plan"])
    for run in RUNS:
        shown.update("AdamW", **UPDATE)
        shown.result(run)
    shown.note("a note")


def test_status_is_the_line_of_the_docs():
    line = progress.status("AdamW", **UPDATE)
    assert line == (
        " AdamW              rung 2/3  █████████████████░░░░░░░  48/66 runs  best 0.0032 -> 0.088  "
        "elapsed 0:06 left 0:03  6 diverged"
    )
    bare = progress.status("SGD", 1, 3, 0, 0, None, 0, 3723.0, None)
    assert "0/0 runs  elapsed 1:02:03" in bare


def test_a_pipe_gets_a_plain_line_for_every_run_and_no_control_characters():
    stream = io.StringIO()
    with progress.make("auto", stream) as shown:
        everything(shown)
    assert stream.getvalue().splitlines() == [
        "two lines",
        "of plan",
        "AdamW lr 0.001: 440 steps, 1.2 s, loss 0.0881",
        "AdamW lr 1 seed 1: 12 steps, 0.0 s, diverged: the loss was nan at step 12",
        "SGD lr 1e-05: 44 steps, 0.1 s, loss 2.3, not among the best",
        "Odd lr 0.1: 0 steps, 0.0 s, failed: RuntimeError: no",
        "SGD lr 0.1: 5 steps, 0.0 s, broken off",
        "a note",
    ]


def test_a_function_gets_the_lines_and_none_gets_nothing(capsys):
    lines: list[str] = []
    everything(progress.make(lines.append))
    assert len(lines) == 8
    for quiet in (None, False):
        everything(progress.make(quiet))
    assert capsys.readouterr() == ("", "")
    with pytest.raises(TypeError, match="progress must be 'auto', None or a function that gets lines, got 'loud'"):
        progress.make("loud")


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """What a terminal is sent, until an exception ends it."""
    for name in ("NO_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", "COLUMNS": "80", **environment}.items():
        monkeypatch.setenv(name, value)
    reading, writing = pty.openpty()
    with open(writing, "w", encoding="utf-8") as terminal:
        with pytest.raises(KeyboardInterrupt), progress.make("auto", terminal) as shown:
            everything(shown)
            raise KeyboardInterrupt
    sent = b""
    try:
        while chunk := os.read(reading, 65536):
            sent += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(reading)
    return sent.decode()


def screen(sent: str) -> list[str]:
    """The lines that are left to see."""
    lines = []
    for line in sent.split("\n"):
        visible = ""
        for part in re.split(r"(\r|\x1b\[K)", line):
            if part == "\r":
                column = 0
            elif part == "\x1b[K":
                visible = visible[:column]
            elif part:
                column = len(part)
                visible = part + visible[column:]
        lines.append(visible)
    return lines


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end_even_after_ctrl_c(monkeypatch):
    sent = on_a_terminal(monkeypatch)
    assert "rung 2/3" in sent
    left = screen(sent)
    assert left[:3] == ["two lines", "of plan", "a note"]
    assert left[3:] == [""]
    assert max(len(line) for line in re.split(r"[\r\n]|\x1b\[K", sent)) < 80, "never wraps"


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_terminals_that_want_no_control_characters_get_none(monkeypatch, environment):
    sent = on_a_terminal(monkeypatch, **environment)
    assert "\x1b" not in sent
    assert "AdamW lr 0.001: 440 steps" in sent


def test_fast_updates_are_drawn_eight_times_a_second_at_most(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    stream = Terminal()
    shown = progress.make("auto", stream)
    for _ in range(1000):  # ten seconds
        now[0] += 0.01
        shown.update("AdamW", **UPDATE)
    assert 70 <= stream.getvalue().count("\r") <= 80


def test_a_notebook_has_one_display(monkeypatch):
    texts: list[str] = []
    module = types.ModuleType("descend.tools.notebook")
    module.live = lambda: types.SimpleNamespace(text=lambda text, now=False: texts.append(text))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "descend.tools.notebook", module)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    everything(progress.make("auto", io.StringIO()))
    assert texts[0] == "two lines"
    assert texts[2].splitlines()[:2] == ["two lines", "of plan"]
    assert "48/66 runs" in texts[2]
