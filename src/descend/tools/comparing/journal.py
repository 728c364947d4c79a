"""What a comparison writes while it runs, so that it can go on after anything, kill -9 included.

    out/runs.jsonl   a line for the comparison, then one for everything that has been done or decided, each on the disk
                     before anything builds on it
    out/ckpt/*.pt    the runs that may go on; gone when the comparison is complete

To resume, the search simply runs again: what the journal has is not done but looked up, decisions that depended on
time among it, so that the same table comes out. Without a directory nothing is written and nothing is found.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import torch

from ..records import Run

FILE = "runs.jsonl"
CHECKPOINTS = "ckpt"
FORMAT = 1

Key = tuple[str, float, int]
"""Label, rate and seed: what tells a run from all others."""


def key_of(run: Run) -> Key:
    """Of a record."""
    return run.optimizer, run.lr, run.seed


def read(directory: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of a journal; one that was not finished is left out.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or no journal.
    """
    file = Path(directory) / FILE
    if not file.is_file():
        raise FileNotFoundError(f"{str(directory)!r} holds no comparison: there is no {FILE}")
    return _parse(file)[0]


def _parse(file: Path) -> tuple[list[dict[str, Any]], int]:
    """The complete lines, and how many bytes they are."""
    data = file.read_bytes()
    lines: list[dict[str, Any]] = []
    size = 0
    texts = data.split(b"\n")[:-1]  # what follows the last line end is unfinished
    for number, line in enumerate(texts, start=1):
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict) or "kind" not in entry:
                raise ValueError("it is no record")
        except ValueError as error:
            if number == len(texts):
                break
            raise ValueError(f"{file}: line {number} is damaged: {error}") from error
        lines.append(entry)
        size += len(line) + 1
    if lines and (lines[0]["kind"] != "comparison" or lines[0]["config"].get("format") != FORMAT):
        raise ValueError(f"{file} was not written by this version of compare()")
    return lines, size


class Journal:
    """What has been done and decided.

    Args:
        out: the directory; None to keep nothing.
        config: what the results depend on, as plain values.
        resume: go on with what is there.
        fresh: delete what is there.

    Attributes:
        elapsed: seconds that earlier parts took.

    Raises:
        ValueError: there are results, and neither flag; or another comparison is to be resumed; or both flags.
    """

    def __init__(
        self,
        out: str | os.PathLike[str] | None,
        config: Mapping[str, Any],
        *,
        resume: bool = False,
        fresh: bool = False,
    ) -> None:
        if resume and fresh:
            raise ValueError("resume and fresh: give one of them; resume goes on with what is there, fresh deletes it")
        if out is None and (resume or fresh):
            raise ValueError(f"{'resume' if resume else 'fresh'} needs out, the directory of the comparison")
        self.directory = None if out is None else Path(out)
        self.elapsed = 0.0
        self._config = json.loads(json.dumps({"format": FORMAT, **config}))  # as it will be read again
        self._stream: IO[bytes] | None = None
        self._done: dict[tuple[Key, int], Run] = {}
        self._decided: dict[str, Any] = {}
        self._stopped: set[Key] = set()
        self._last: Mapping[str, Any] = {}
        if self.directory is not None:
            self._open(self.directory, resume, fresh)

    def _open(self, directory: Path, resume: bool, fresh: bool) -> None:
        file = directory / FILE
        if file.exists() and fresh:
            self._clear(directory)
        lines, size = _parse(file) if file.exists() else ([], 0)
        if lines and not resume:
            raise ValueError(
                f"{str(directory)!r} holds a comparison: resume=True (--resume) goes on with it, "
                "fresh=True (--fresh) deletes it and starts anew"
            )
        if lines and lines[0]["config"] != self._config:
            rows = "\n".join(f"  {line}" for line in diff(lines[0]["config"], self._config))
            raise ValueError(
                f"{str(directory)!r} holds another comparison, which cannot be resumed:\n{rows}\n"
                "Give what it was made with, another directory, or fresh=True (--fresh) to delete it"
            )
        for line in lines:
            self._remember(line)
        (directory / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        for left_over in (directory / CHECKPOINTS).glob("*.tmp"):
            left_over.unlink()
        self._stream = file.open("ab")
        self._stream.truncate(size)
        _sync_directory(directory)

    @property
    def was_complete(self) -> bool:
        """Whether the last line says that nothing is left to do."""
        return self._last.get("kind") == "end" and bool(self._last.get("complete"))

    @property
    def is_new(self) -> bool:
        """Whether nothing is written yet that could be resumed."""
        return not self._last

    def _remember(self, line: Mapping[str, Any]) -> None:
        self.elapsed = max(self.elapsed, line.get("elapsed", 0.0))
        self._last = line
        if line["kind"] == "runs" and line["rung"] is not None:
            for values in line["runs"]:
                run = Run.from_dict(values)
                self._done[key_of(run), line["rung"]] = run
        elif line["kind"] == "decision":
            self._decided[line["name"]] = line["value"]
        elif line["kind"] == "stopped":
            self._stopped.update((label, lr, seed) for label, lr, seed in line["runs"])

    def _write(self, kind: str, **values: Any) -> None:
        if self._stream is None:
            return
        text = json.dumps({"kind": kind, **values}, allow_nan=False, separators=(",", ":"))
        self._last = {"kind": kind, **values}
        self._stream.write(text.encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def begin(self, conditions: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]]) -> None:
        """The first line; nothing if it is there."""
        if self.is_new:
            text = json.dumps(self._config, sort_keys=True)
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            parts: dict[str, Any] = {"hash": digest, "conditions": conditions, "candidates": list(candidates)}
            self._write("comparison", config=self._config, **parts)

    def conditions(self, conditions: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]]) -> None:
        """What has become known since; the latest such line holds."""
        if not self.was_complete:
            self._write("conditions", conditions=conditions, candidates=list(candidates))

    def decide(self, name: str, make: Callable[[], Any], elapsed: float = 0.0) -> Any:
        """A decision that may depend on time or chance: made once, and looked up ever after.

        Args:
            name: what is decided.
            make: decides; the result must be what JSON can hold.
            elapsed: seconds since the start.
        """
        if name not in self._decided:
            self._decided[name] = value = make()
            self._write("decision", name=name, value=value, elapsed=elapsed)
        return self._decided[name]

    def recall(self, key: Key, rung: int) -> Run | None:
        """The record of a run at the end of a rung; None if it is still to be made."""
        return self._done.get((key, rung))

    def runs(self, runs: Iterable[Run], rung: int | None, elapsed: float) -> None:
        """Runs that have come to the end of a rung together; `rung` None for runs that were broken off."""
        made = list(runs)
        if rung is not None:
            self._done.update({(key_of(run), rung): run for run in made})
        self._write("runs", rung=rung, elapsed=elapsed, runs=[run.to_dict() for run in made])

    def stopped(self, keys: Iterable[Key]) -> None:
        """Runs that do not go on after their last rung."""
        new = [key for key in keys if key not in self._stopped]
        if new:
            self._stopped.update(new)
            self._write("stopped", runs=[list(key) for key in new])

    def end(self, interrupted: bool, complete: bool, elapsed: float) -> None:
        """The last line. Checkpoints are deleted if nothing is left to do."""
        if not self.was_complete:
            self._write("end", interrupted=interrupted, complete=complete, elapsed=elapsed)
        if self.directory is not None and complete:
            self._clear_checkpoints(self.directory)

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()

    # ------------------------------------------------------------------------------------------------ checkpoints

    def _checkpoint(self, key: Key, rung: int) -> Path | None:
        if self.directory is None:
            return None
        label, lr, seed = key
        digest = hashlib.sha256(label.encode()).hexdigest()[:6]
        short = re.sub(r"[^A-Za-z0-9.=]+", "-", label).strip("-")[:40]
        return self.directory / CHECKPOINTS / f"{short}-{digest}-lr{lr!r}-s{seed}-r{rung}.pt"

    def save(self, key: Key, rung: int, state: Mapping[str, Any]) -> None:
        """Keep a run as it is at the end of a rung: the file is complete or not there."""
        file = self._checkpoint(key, rung)
        if file is None:
            return
        part = file.with_suffix(".tmp")
        with part.open("wb") as stream:
            torch.save(dict(state), stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, file)

    def load(self, key: Key, rung: int) -> dict[str, Any] | None:
        """The newest checkpoint of a run that is not beyond a rung; None without one."""
        for earlier in range(rung, -1, -1):
            file = self._checkpoint(key, earlier)
            if file is not None and file.is_file():
                # Optimizers keep what they like in their state, so it is unpickled in full: the directory is ours.
                state: dict[str, Any] = torch.load(file, weights_only=False)
                return state
        return None

    def forget(self, key: Key, before: int) -> None:
        """Delete the checkpoints of a run from rungs before one."""
        for earlier in range(before):
            file = self._checkpoint(key, earlier)
            if file is not None:
                file.unlink(missing_ok=True)

    def _clear_checkpoints(self, directory: Path) -> None:
        folder = directory / CHECKPOINTS
        for file in [*folder.glob("*.pt"), *folder.glob("*.tmp")]:
            file.unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def _clear(self, directory: Path) -> None:
        (directory / FILE).unlink()  # first: checkpoints without a journal are never read
        self._clear_checkpoints(directory)


def diff(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two configurations, a line each, lists item by item."""
    lines = []
    for name in sorted({*there, *now}):
        old, new = there.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, list) and isinstance(new, list) and all(isinstance(item, str) for item in [*old, *new]):
            gone = [item for item in old if item not in new]
            added = [item for item in new if item not in old]
            lines += [f"{name}: {item} is there, and not now" for item in gone]
            lines += [f"{name}: {item} is new" for item in added]
            if not gone and not added:
                lines.append(f"{name}: in another order")
        else:
            lines.append(f"{name}: {old!r} there, {new!r} now")
    return lines


def _sync_directory(directory: Path) -> None:
    """Make the file's existence last; some systems cannot, and need not."""
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
