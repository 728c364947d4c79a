"""Following a file that another process writes: new lines as they come, and the end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAUSE = 0.5  # seconds between two looks


class Follower:
    """The records of a JSONL file, also those that are yet to come.

    Args:
        file: may not be there yet; a file that becomes shorter is read anew, as it was begun anew.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._place = 0

    def new(self) -> list[dict[str, Any]]:
        """What has come since the last call; a line that is still being written waits for the next."""
        try:
            if self._file.stat().st_size < self._place:
                self._place = 0
            with self._file.open("rb") as stream:
                stream.seek(self._place)
                text = stream.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._place += len(whole)
        return [record for line in whole.splitlines() if (record := _record(line)) is not None]

    def batches(self, once: bool) -> Iterator[list[dict[str, Any]]]:
        """Lists of new records, until the record `end` has come; only what is there if `once`."""
        while True:
            records = self.new()
            if records:
                yield records
            if once or any(record.get("kind") == "end" for record in records):
                return
            time.sleep(PAUSE)


def _record(line: bytes) -> dict[str, Any] | None:
    """One record; None for a line that was damaged, as by a full disk."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
