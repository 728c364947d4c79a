"""The CPU engine's launches: the tables that native code reads (layout.py), made once and run every step."""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Sequence
from typing import Any

import numpy
import torch
from torch import Tensor

from ..rules import Rule
from . import coded
from . import layout as word
from .cpu import variant_key, variant_of
from .job import NO_GUARD, Guard, Job
from .native import native, threads
from .source import Norm, kernel

# Elements for which waking a second thread pays off.
SHARE = 16384
# From this many elements on, other Python threads may run during a launch.
LONG = 1 << 20

_LAUNCH = (ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)  # result; job, worker


@functools.lru_cache(maxsize=1)
def entry_points() -> tuple[Any, Any, int]:
    """launch() with the interpreter locked, the same with it released, and the address of worker()."""
    from .build import runtime

    launch, worker = runtime()
    return ctypes.PYFUNCTYPE(*_LAUNCH)(launch), ctypes.CFUNCTYPE(*_LAUNCH)(launch), worker


def added(sums: Any) -> float:
    """The sum of an array of sums of squares; infinite if float64 cannot hold it."""
    with numpy.errstate(over="ignore"):
        return float(sums.sum())


class Launch:
    """Tables for one multi-tensor launch: made once, run every step until something changes.

    Args:
        rule: the algorithm.
        jobs: all of one variant (see `variant_key`), none refused, sharing no memory.
        idle: parameters without a gradient; when one gets a gradient, the launch answers that something has changed.
        spans: all memory that the step writes to, in order; a gradient must not lie there.
        guard: what is asked of all gradients together.
    """

    def __init__(
        self,
        rule: Rule,
        jobs: Sequence[Job],
        idle: Sequence[Tensor],
        spans: Sequence[tuple[int, int, int]],
        guard: Guard = NO_GUARD,
    ) -> None:
        rows = list({id(job.row): job.row for job in jobs}.values())
        self.variant, number_dtype = variant_of(rule, jobs, guard), variant_key(rule, jobs[0])[-1]
        self.rows, self.jobs = rows, list(jobs)
        self._names = self.variant.scalars
        self._absent = [name for name in rule.scalar_names if name not in self._names]
        self._numbers = rule.numbers
        random = coded.streams(self.variant)
        self._streams = [("p", "g", *rule.buffers).index(name) for name in random]
        self.draws = bool(random)  # whether something is rounded at random
        kept = len(self._names) + 2 * len(self._numbers) + 2 * len(self._streams)
        self._row = struct.Struct(f"={word.SCALARS + kept}d")
        self._memory = bytearray(self._row.size * len(rows))
        self._tables(jobs, idle, spans, number_dtype == torch.float64)
        self._locked, self._released, self._worker = entry_points()
        self._most = max(1, self.elements // SHARE)
        self._sums(guard, [p.numel() * (2 if p.is_complex() else 1) for p in self.params])
        self.pack()
        self._header[word.RECORD] = 1
        if not self.check():
            raise AssertionError(
                f"descend: native code reads entry {self._header[word.FAILED]} differently from Python"
            )
        self._header[word.RECORD] = 0

    def _tables(
        self, jobs: Sequence[Job], idle: Sequence[Tensor], spans: Sequence[tuple[int, int, int]], double: bool
    ) -> None:
        """Fill the header and the columns; everything that native code points at is kept alive here."""
        self._alive: list[Any] = []
        self._header = header = (ctypes.c_int64 * word.WORDS)()
        self.address = ctypes.addressof(header)

        def column(values: Sequence[int]) -> int:
            array = (ctypes.c_int64 * max(1, len(values)))(*values)
            self._alive.append(array)
            return ctypes.addressof(array)

        n = len(jobs)
        tensors = [[job.param for job in jobs], []]
        tensors += [list(b) for b in zip(*(job.buffers for job in jobs), strict=True) if b[0] is not None]
        tensors += [[job.rest for job in jobs if job.rest is not None]] * (jobs[0].rest is not None)
        present = [k for k, words in enumerate(jobs[0].words) if words is not None]
        words = [job.words[k] for k in present for job in jobs]
        numbers = [job.numbers[k] for k in range(len(self._numbers)) for job in jobs]
        self.params, self._alive = tensors[0], [tensors, numbers, words, list(idle)]
        sizes = [p.numel() * (2 if p.is_complex() else 1) for p in self.params]
        starts = [0]
        for size in sizes:
            starts.append(starts[-1] + size)
        self.elements = starts[-1]
        ranks = [p.dim() for p in self.params]
        space = column([0] * (2 * sum(ranks)))
        dimensions, used = [], 0
        for rank in ranks:
            dimensions.append(space + 16 * used)
            used += rank
        row_number = {id(row): i for i, row in enumerate(self.rows)}
        memory = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        columns = len(tensors)
        header[word.ENTRIES], header[word.COLUMNS], header[word.TOTAL] = n, columns, self.elements
        for field in (word.ADDRESSES, word.KEYS, word.DTYPES):
            header[field] = column([0] * (columns * n))
        header[word.OBJECTS] = column([id(t) for c in tensors for t in (c or self.params)])
        header[word.RANKS], header[word.DIMENSIONS] = column(ranks), column(dimensions)
        header[word.STARTS] = column(starts)
        header[word.GRAD_BYTES] = column([job.grad.numel() * job.grad.element_size() for job in jobs])
        header[word.WRITTEN], header[word.UNDEFINED] = len(spans), native().undefined
        header[word.WRITTEN_FROM] = column([start for start, _, _ in spans])
        header[word.WRITTEN_TO] = column([stop for _, stop, _ in spans])
        header[word.ROW] = column([memory + self._row.size * row_number[id(job.row)] for job in jobs])
        header[word.NUMBERS], header[word.NUMBERS_AT] = len(self._numbers), word.SCALARS + len(self._names)
        header[word.NUMBER_OBJECTS] = column([id(number) for number in numbers])
        header[word.NUMBER_DATA], header[word.NUMBER_DOUBLE] = column([0] * len(numbers)), double
        header[word.WORDS_KEPT], header[word.WORD_OBJECTS] = len(present), column([id(t) for t in words])
        header[word.WORD_KEYS], header[word.WORD_DATA] = column([0] * len(words)), column([0] * len(words))
        header[word.FIRST_BLOCK] = column([job.first_block for job in jobs])
        header[word.IDLE], header[word.IDLE_OBJECTS] = len(idle), column([id(p) for p in idle])
        self._kernel = header[word.KERNEL] = kernel(self.variant)
        header[word.IMPL_AT], header[word.KEYS_AT] = native().impl_at, native().keys_at
        header[word.SCRATCH] = column([0] * 8)

    def _sums(self, guard: Guard, sizes: Sequence[int]) -> None:
        """Room for what kernels add up for every chunk of elements, in the order of memory."""
        chunks = [-(-size // word.CHUNK) for size in sizes]
        firsts = numpy.cumsum([0, *chunks[:-1]])
        self._squares = numpy.zeros(sum(chunks) if guard.first_pass else 0)
        self._statistics = numpy.zeros((sum(chunks) if guard.stats else 0, len(word.STATISTICS)))
        self._firsts = firsts
        for field, array in ((word.NORMS, self._squares), (word.STATS, self._statistics)):
            places = array.ctypes.data + firsts * (array.itemsize * array[:1].size) if array.size else firsts
            self._alive.append(column := numpy.ascontiguousarray(places, dtype=numpy.int64))
            self._header[field] = column.ctypes.data
        if guard.first_pass:
            variant = self.variant
            self._norm_kernel = kernel(Norm(dict(variant.stored)["g"], variant.computed, variant.clip))

    def pack(self) -> bool:
        """Write the rows' scalars where native code reads them; False if another kernel is needed."""
        offset, pack_into, memory, names = 0, self._row.pack_into, self._memory, self._names
        clips = self.variant.clip
        for row in self.rows:
            scalars = row.scalars
            for name in self._absent:
                if scalars[name] is not None:
                    return False
            new, before = row.numbers(self._numbers)
            values = [scalars[name] for name in names]
            keys = [key for stream in self._streams for key in row.keys(stream)]
            try:
                scale = row.scale if clips else row.scale * row.factor
                pack_into(memory, offset, scale, row.keep, row.l2, row.clip, row.factor, *values, *new, *before, *keys)
            except struct.error:  # a scalar has become None
                return False
            offset += self._row.size
        return True

    def run(self, mode: int = word.CHECK | word.RUN | word.FINISH) -> bool:
        """One step, or parts of it; False, with nothing changed, if something is not as it was."""
        header = self._header
        header[word.THREADS] = min(threads(), self._most) if self._most > 1 else 1
        header[word.MODE] = mode
        if self.elements < LONG or not mode & word.RUN:
            return bool(self._locked(self.address, self._worker) == word.DONE)
        # Other threads may run meanwhile: keep the gradients alive.
        grads = [p.grad for p in self.params]
        done = self._released(self.address, self._worker) == word.DONE
        del grads
        return bool(done)

    def check(self) -> bool:
        """Whether everything is as it was."""
        return self.run(word.CHECK)

    def squares(self) -> float | None:
        """The sum of squares of all gradients, after clipping to a range; None if something is not as it was."""
        self._header[word.KERNEL] = self._norm_kernel
        try:
            if not self.run(word.CHECK | word.RUN):
                return None
        finally:
            self._header[word.KERNEL] = self._kernel
        return added(self._squares)

    def after_check(self) -> bool:
        """The update, right after `squares`; checked again if other Python threads may have run in between."""
        again = word.CHECK if self.elements >= LONG else 0
        return self.run(again | word.RUN | word.FINISH)

    def statistics(self) -> Any:
        """For each entry, what layout.STATISTICS names."""
        sums, firsts = self._statistics, self._firsts
        ends = [*firsts[1:], len(sums)]
        return [sums[first:end].sum(axis=0) for first, end in zip(firsts, ends, strict=True)]
