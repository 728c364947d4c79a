"""Where checks go while a training runs: the terminal, a JSONL file, TensorBoard. Each is told of every check.

A full disk or a closed terminal must not end a training that took days: the first such error is a warning, and that
sink is silent from then on.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TextIO

from ..extras import need
from .records import Advice, Check, spelled
from .showing import line

REFRESH = 0.125  # seconds between status lines that overwrite each other
PACE = 10.0  # the same where each stays
CLEAR, YELLOW, PLAIN = "\r\x1b[2K", "\x1b[33m", "\x1b[0m"

Progress = Literal["auto", "line", "lines", "none"]


class Display:
    """The status line: overwritten in place on a terminal, else a plain line every ten seconds; advice stays.

    Args:
        stream: where to.
        name: of what is watched, written first; may be empty.
        live: overwrite in place.
        colour: advice in yellow.
        pace: seconds between two status lines.
    """

    def __init__(self, stream: TextIO, name: str, live: bool, colour: bool, pace: float) -> None:
        self._stream, self._name, self._live, self._colour, self._pace = stream, name, live, colour, pace
        self._next = 0.0
        self._shown = ""  # the status line that stands on the terminal
        self._waiting: tuple[Check, Sequence[Advice]] | None = None  # not shown yet, as it came too soon

    def show(self, check: Check, new: Sequence[Advice], active: Sequence[Advice]) -> None:
        """A check, and what was advised because of it."""
        now = time.monotonic()
        if not new and now < self._next:
            self._waiting = (check, list(active))
            return
        self._next = now + self._pace
        text = self._prefixed(line(check, active))
        parts = [self._painted(f"{self._prefixed('')}! {advice}") + "\n" for advice in new]
        if self._live:
            width = _width(self._stream)
            self._put("".join([CLEAR, *parts, text[: width - 1]]))
            self._shown = text
        else:
            self._put("".join([text + "\n", *parts]))
        self._waiting = None

    def close(self, steps: int, seconds: float, advice: Sequence[Advice]) -> None:
        """The last status line stays."""
        if self._waiting is not None:
            text = self._prefixed(line(*self._waiting))
            self._put((CLEAR if self._live else "") + text + "\n")
        elif self._live and self._shown:
            self._put("\n")

    def _prefixed(self, text: str) -> str:
        return f"{self._name}: {text}" if self._name else text

    def _painted(self, text: str) -> str:
        return f"{YELLOW}{text}{PLAIN}" if self._colour else text

    def _put(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # closed, or a pipe whose reader has gone
            self._pace = self._next = float("inf")


def show_on(stream: TextIO | None, name: str, progress: Progress) -> Display | None:
    """The display for `progress`; None for "none"."""
    if progress == "none":
        return None
    stream = sys.stderr if stream is None else stream
    terminal = is_terminal(stream)
    live = progress == "line" or (progress == "auto" and terminal)
    return Display(stream, name, live, live and not os.environ.get("NO_COLOR"), REFRESH if live else PACE)


def is_terminal(stream: TextIO) -> bool:
    """Whether lines can be overwritten there."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):
        return False


def _width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (AttributeError, ValueError, OSError):
        return 80


class Journal:
    """A JSONL file: a header, a line for each check and each advice, and a line at the end.

    Args:
        file: made anew.
        header: what is watched.
    """

    def __init__(self, file: str | Path, header: Mapping[str, Any]) -> None:
        self._file: TextIO | None = open(file, "w", encoding="utf-8")
        self._put({"kind": "watch", **header})

    def show(self, check: Check, new: Sequence[Advice], active: Sequence[Advice]) -> None:
        """A check, and what was advised because of it."""
        self._put({"kind": "check", **check.to_dict(), "active": [advice.code for advice in active]})
        for advice in new:
            self._put({"kind": "advice", **advice.to_dict()})

    def close(self, steps: int, seconds: float, advice: Sequence[Advice]) -> None:
        """The line at the end, which tells who follows the file to stop."""
        self._put({"kind": "end", "steps": steps, "seconds": seconds, "advice": len(advice)})
        if self._file is not None:
            self._file.close()

    def _put(self, record: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(spelled(record)) + "\n")
            self._file.flush()
        except OSError as error:
            warnings.warn(f"watch cannot write its file any more: {error}", stacklevel=2)
            self._file = None


class TensorBoard:
    """Scalars for TensorBoard.

    Args:
        target: a directory, or anything with `add_scalar(tag, value, step)`, such as a SummaryWriter.
        name: of what is watched, the first part of every tag.
    """

    def __init__(self, target: Any, name: str) -> None:
        self._own = not hasattr(target, "add_scalar")
        if self._own:
            module = need("torch.utils.tensorboard", "tensorboard", "watch(tensorboard=...)", extra="")
            target = module.SummaryWriter(os.fspath(target))
        self._writer = target
        self._prefix = f"{name or 'watch'}/"

    def show(self, check: Check, new: Sequence[Advice], active: Sequence[Advice]) -> None:
        """A check, and what was advised because of it."""
        for tag, value in (("loss", check.loss), ("loss_z", check.z), ("alpha", check.alpha)):
            self._scalar(tag, value, check.step)
        for number, group in enumerate(check.groups):
            where = f"group{number}/" if len(check.groups) > 1 else ""
            for tag in ("lr", "grad_norm", "ratio", "cos", "zero", "nonfinite", "lost"):
                self._scalar(where + tag, getattr(group, tag), check.step)
        if new and hasattr(self._writer, "add_text"):
            self._writer.add_text(self._prefix + "advice", "\n\n".join(map(str, new)), check.step)

    def _scalar(self, tag: str, value: float | None, step: int) -> None:
        if value is not None:
            self._writer.add_scalar(self._prefix + tag, value, step)

    def close(self, steps: int, seconds: float, advice: Sequence[Advice]) -> None:
        """Close the writer if it was made here."""
        if self._own:
            self._writer.close()
