"""What is shown while a comparison runs: a bar on a terminal, plain lines in a pipe or log, one display in a notebook.

    with progress.make("auto") as shown:
        shown.plan(["what will be done"])
        shown.update("AdamW", rung=2, rungs=3, done=48, total=66, best=(3.2e-3, 0.088), diverged=6, elapsed=6, left=3)
        shown.result(run)

All of it goes to stderr, so that stdout holds the result and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from time import monotonic
from types import TracebackType
from typing import Any, TextIO

from . import blocks
from .records import Run, spell
from .report import wants_rich

BAR = 24
REFRESHES = 8
"""A second, at most: faster ones flicker and cost time."""


def make(progress: Any, stream: TextIO | None = None) -> Progress:
    """A display.

    Args:
        progress: `"auto"` (what suits the terminal, pipe or notebook), None or False (nothing), or a function that is
            called with each line of text.
        stream: where it goes; stderr by default.

    Raises:
        TypeError: none of these.
    """
    if progress is None or progress is False:
        return Progress()
    if callable(progress):
        return Lines(progress)
    if progress != "auto" and progress is not True:
        raise TypeError(f"progress must be 'auto', None or a function that gets lines, got {progress!r}")
    stream = sys.stderr if stream is None else stream
    notebook = _notebook()
    if notebook is not None:
        return Display(notebook)
    if wants_rich(stream):
        return Bar(stream)

    def write(line: str) -> None:
        print(blocks.fit(line, getattr(stream, "encoding", None) or "utf-8"), file=stream, flush=True)

    return Lines(write)


def _notebook() -> Any:
    """The display handle of a notebook, if this runs in one."""
    if "IPython" not in sys.modules:  # a notebook has loaded it
        return None
    from .notebook import live

    return live()


class Progress:
    """A display that shows nothing: the base of those that do."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def plan(self, lines: Sequence[str]) -> None:
        """Show what will be done, before it is."""
        for line in lines:
            self.note(line)

    def note(self, text: str) -> None:
        """Show a line that stays."""

    def update(
        self,
        label: str,
        rung: int,
        rungs: int,
        done: int,
        total: int,
        best: tuple[float, float] | None,
        diverged: int,
        elapsed: float,
        left: float | None,
    ) -> None:
        """Show how far it has come.

        Args:
            label: of the optimizer that is training.
            rung: which one, from 1.
            rungs: of how many.
            done: runs that have ended or passed this rung.
            total: of how many.
            best: (learning rate, loss) of the best so far.
            diverged: runs that have diverged.
            elapsed: seconds since the start.
            left: seconds that it may still take; None if that is not known.
        """

    def result(self, run: Run) -> None:
        """Show a run that has ended."""

    def close(self) -> None:
        """Take down what does not stay."""


class Lines(Progress):
    """A plain line for each run that has ended: no colours, nothing is overwritten.

    Args:
        write: gets each line, without its end.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def note(self, text: str) -> None:
        """Write the line."""
        self._write(text)

    def result(self, run: Run) -> None:
        """Write what became of the run."""
        self._write(describe(run))


class Bar(Progress):
    """One line at the bottom of the terminal, which is gone at the end; lines above it stay.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = False
        self._last = 0.0
        self._line = ""

    def note(self, text: str) -> None:
        """Write the line above the bar."""
        self._clear()
        self._stream.write(text + "\n")
        self._draw()

    def update(self, *values: Any, **named: Any) -> None:
        """Draw the bar anew, unless that was just done."""
        self._line = status(*values, **named)
        if monotonic() - self._last >= 1 / REFRESHES:
            self._draw()

    def _draw(self) -> None:
        if not self._line:
            self._stream.flush()
            return
        import shutil

        width = shutil.get_terminal_size((100, 24)).columns - 1
        line = blocks.fit(self._line, getattr(self._stream, "encoding", None) or "utf-8")[:width]
        # Back to the start, the new line, and whatever was longer is erased: nothing flickers in between.
        self._stream.write(f"\r{line}\x1b[K")
        self._stream.flush()
        self._shown, self._last = True, monotonic()

    def _clear(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._shown = False

    def close(self) -> None:
        """Erase the bar: the cursor is where it was before it."""
        self._clear()
        self._line = ""
        self._stream.flush()


class Display(Progress):
    """One output cell of a notebook, updated in place.

    Args:
        live: what `notebook.live()` gives.
    """

    def __init__(self, live: Any) -> None:
        self._live = live
        self._plan: list[str] = []
        self._status = ""

    def note(self, text: str) -> None:
        """Keep the line above the status."""
        self._plan.append(text)
        self._live.text("\n".join(self._plan), now=True)

    def update(self, *values: Any, **named: Any) -> None:
        """Show the status below the lines that stay."""
        self._status = status(*values, **named)
        self._live.text("\n".join([*self._plan, self._status]))

    def close(self) -> None:
        """Show the last status, which may have come too soon after the one before."""
        if self._status:
            self._live.text("\n".join([*self._plan, self._status]), now=True)


def status(
    label: str,
    rung: int,
    rungs: int,
    done: int,
    total: int,
    best: tuple[float, float] | None,
    diverged: int,
    elapsed: float,
    left: float | None,
) -> str:
    """How far it has come, in a line; the arguments are those of `Progress.update`."""
    filled = round(BAR * done / total) if total else 0
    parts = [f" {label:<18} rung {rung}/{rungs}  {'█' * filled}{'░' * (BAR - filled)}  {done}/{total} runs"]
    if best is not None:
        parts.append(f"best {spell(best[0])} -> {best[1]:.3g}")
    parts.append(f"elapsed {clock(elapsed)}" + ("" if left is None else f" left {clock(left)}"))
    if diverged:
        parts.append(f"{diverged} diverged")
    return "  ".join(parts)


def describe(run: Run) -> str:
    """What became of a run, in a line."""
    ends = {
        "finished": f"loss {run.loss:.4g}",
        "stopped": f"loss {run.loss:.4g}, not among the best",
        "diverged": f"diverged: {run.message}",
        "failed": f"failed: {run.message}",
        "unfinished": "broken off",
    }
    seed = f" seed {run.seed}" if run.seed else ""
    return f"{run.optimizer} lr {spell(run.lr)}{seed}: {run.steps} steps, {run.seconds:.1f} s, {ends[run.status]}"


def clock(seconds: float) -> str:
    """`0:06`, `12:30`, `1:02:03`."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
