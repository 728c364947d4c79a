"""The CPU engine: one launch of a compiled kernel for all tensors that share a kernel variant.

`refusal` says which tensors it takes; `Launch` holds the tables that native code reads (layout.py) and runs one step.
"""

from __future__ import annotations

import bisect
import ctypes
import functools
import struct
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..rules import Rule
from ..storage import NATIVE, compute_dtype, real_dtype
from . import layout as word
from .eager import is_exact
from .job import Job
from .native import native, threads
from .source import BEYOND_CACHES, Variant, kernel

# Elements for which waking a second thread pays off.
SHARE = 16384
# From this many elements on, other Python threads may run during a launch.
LONG = 1 << 20


@functools.lru_cache(maxsize=1)
def usable() -> str:
    """Why native kernels cannot run in this process; empty if they can."""
    if native().reason:
        return native().reason
    try:
        import llvmlite.binding  # noqa: F401  (the smaller half of Numba; needed even when every kernel is cached)
    except ImportError as error:
        return f"Numba is not installed ({error})"
    return ""


def _is_dense(tensor: Tensor) -> bool:
    """Whether elements fill one block of memory, each its own place, in any order of dimensions."""
    if tensor.is_contiguous():
        return True
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def _same_layout(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape:
        return False
    return a.stride() == b.stride() or all(
        s == t or size == 1 for s, t, size in zip(a.stride(), b.stride(), a.shape, strict=True)
    )


def _plain(tensor: Tensor, what: str) -> str:
    """Why native code cannot read this tensor; empty if it can."""
    if not is_exact(tensor):
        return f"{what} is a {type(tensor).__name__}"
    if not tensor.is_cpu:
        return f"{what} is on {tensor.device}"
    if tensor.layout != torch.strided:
        return f"{what} is {str(tensor.layout).removeprefix('torch.')}"
    if real_dtype(tensor.dtype) not in NATIVE:
        return f"{what} is {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.is_conj() or tensor.is_neg():
        return f"{what} is a lazily conjugated or negated view"
    if tensor.is_inference() or torch._C._functorch.maybe_get_level(tensor) >= 0:
        return f"{what} belongs to inference mode or a function transform"
    if tensor.data_ptr() == 0 and tensor.numel():
        return f"{what} has no memory"
    return ""


def refusal(job: Job) -> str:
    """Why the CPU engine cannot take this job; empty if it can."""
    reason = usable() or _plain(job.param, "parameter") or _plain(job.grad, "gradient")
    if reason:
        return reason
    if not _is_dense(job.param):
        return "parameter is not dense in memory"
    if not _same_layout(job.param, job.grad):
        return "gradient is laid out differently from the parameter"
    if job.grad.is_complex() != job.param.is_complex():
        return "gradient and parameter are not both complex"
    for buffer in job.buffers:
        if buffer is not None:
            reason = _plain(buffer, "state")
            if reason:
                return reason
            if not _same_layout(job.param, buffer) or buffer.is_complex() != job.param.is_complex():
                return "state is laid out differently from the parameter"
            if buffer.requires_grad:
                return "state requires a gradient"
    for number in job.numbers:
        if _plain(number, "step") or number.numel() != 1 or number.requires_grad:
            return "step is not a plain number in memory"
        if number.dtype not in (torch.float32, torch.float64) or number.dtype != job.numbers[0].dtype:
            return f"step is {number.dtype}"
    return ""


def _span(tensor: Tensor) -> tuple[int, int]:
    """First and last address (exclusive) that a tensor's elements touch."""
    start = tensor.data_ptr()
    if tensor.is_contiguous():
        return start, start + tensor.nbytes
    reach = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return start, start + reach * tensor.element_size()


def _in_memory(tensor: Tensor | None) -> bool:
    return (
        tensor is not None
        and is_exact(tensor)
        and tensor.is_cpu
        and tensor.layout == torch.strided
        and tensor.numel() > 0
    )


def written(jobs: Sequence[Job]) -> list[tuple[int, int, int]]:
    """(first address, end, index of the job) of everything that jobs write to, in the order of memory."""
    tensors = ((t, i) for i, job in enumerate(jobs) for t in (job.param, *job.buffers, *job.numbers))
    return sorted((*_span(t), i) for t, i in tensors if t is not None and _in_memory(t))


def shared_memory(jobs: Sequence[Job], spans: Sequence[tuple[int, int, int]]) -> set[int]:
    """Indices of jobs that write where another one writes or reads: they must run one after the other.

    Args:
        jobs: all jobs of a step.
        spans: what they write to, as `written` gives it.
    """
    shared: set[int] = set()
    end, owner = 0, -1
    for start, stop, i in spans:
        if start < end and i != owner:
            shared |= {i, owner}
        if stop > end:
            end, owner = stop, i
    if shared:  # spans may lie inside one another, which the search below does not expect
        return set(range(len(jobs)))
    ends = [stop for _, stop, _ in spans]
    for i, job in enumerate(jobs):
        if _in_memory(job.grad):
            start, stop = _span(job.grad)
            for k in range(bisect.bisect_right(ends, start), len(spans)):
                if spans[k][0] >= stop:
                    break
                if spans[k][2] != i or spans[k][0] != start:
                    shared |= {i, spans[k][2]}
    return shared


def name_of(dtype: torch.dtype) -> str:
    """torch.float32 -> "float32"; complex dtypes by their real parts."""
    return str(real_dtype(dtype)).removeprefix("torch.")


def variant_key(rule: Rule, job: Job) -> tuple[Any, ...]:
    """Jobs with equal keys share a launch."""
    dtypes = tuple(None if t is None else name_of(t.dtype) for t in (job.param, job.grad, *job.buffers))
    absent = tuple(job.row.scalars[name] is None for name in rule.scalar_names)
    return dtypes, absent, job.numbers[0].dtype if job.numbers else None


def variant_of(rule: Rule, jobs: Sequence[Job]) -> Variant:
    """The kernel for jobs with equal keys."""
    dtypes, absent, _ = variant_key(rule, jobs[0])
    return Variant(
        rule,
        dtypes,
        absent,
        name_of(compute_dtype(jobs[0].param.dtype)),
        scale=any(job.row.scale != 1 for job in jobs),
        keep=any(job.row.keep != 1 for job in jobs),
        l2=any(job.row.l2 != 0 for job in jobs),
        past=sum(job.param.nbytes for job in jobs) >= BEYOND_CACHES,
    )


def kernel_failure(rule: Rule, jobs: Sequence[Job]) -> str:
    """Why the kernel for jobs with equal keys cannot be had; empty if it can, and then it is in the cache."""
    try:
        kernel(variant_of(rule, jobs))
    except Exception as error:  # whatever Numba, LLVM or the disk may raise
        return f"no native kernel: {type(error).__name__}: {error}"
    return ""


_LAUNCH = (ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)  # result; job, worker


@functools.lru_cache(maxsize=1)
def _entry_points() -> tuple[Any, Any, int]:
    """launch() with the interpreter locked, the same with it released, and the address of worker()."""
    from .build import runtime

    launch, worker = runtime()
    return ctypes.PYFUNCTYPE(*_LAUNCH)(launch), ctypes.CFUNCTYPE(*_LAUNCH)(launch), worker


class Launch:
    """Tables for one multi-tensor launch: made once, run every step until something changes.

    Args:
        rule: the algorithm.
        jobs: all of one variant (see `variant_key`), none refused, sharing no memory.
        idle: parameters without a gradient; when one gets a gradient, the launch answers that something has changed.
        spans: all memory that the step writes to, in order; a gradient must not lie there.
    """

    def __init__(
        self, rule: Rule, jobs: Sequence[Job], idle: Sequence[Tensor], spans: Sequence[tuple[int, int, int]]
    ) -> None:
        rows = list({id(job.row): job.row for job in jobs}.values())
        self.variant, number_dtype = variant_of(rule, jobs), variant_key(rule, jobs[0])[-1]
        self.rows = rows
        self._names = self.variant.scalars
        self._absent = [name for name in rule.scalar_names if name not in self._names]
        self._numbers = rule.numbers
        self._row = struct.Struct(f"={word.SCALARS + len(self._names) + 2 * len(self._numbers)}d")
        self._memory = bytearray(self._row.size * len(rows))
        self._tables(jobs, idle, spans, number_dtype == torch.float64)
        self._locked, self._released, self._worker = _entry_points()
        self._most = max(1, self.elements // SHARE)
        self.pack()
        self._header[word.RECORD] = 1
        if not self.run(check_only=True):
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
        numbers = [job.numbers[k] for k in range(len(self._numbers)) for job in jobs]
        self.params, self._alive = tensors[0], [tensors, numbers, list(idle)]
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
        header[word.IDLE], header[word.IDLE_OBJECTS] = len(idle), column([id(p) for p in idle])
        header[word.KERNEL] = kernel(self.variant)
        header[word.IMPL_AT], header[word.KEYS_AT] = native().impl_at, native().keys_at
        header[word.SCRATCH] = column([0] * 8)

    def pack(self) -> bool:
        """Write the rows' scalars where native code reads them; False if another kernel is needed."""
        offset, pack_into, memory, names = 0, self._row.pack_into, self._memory, self._names
        for row in self.rows:
            scalars = row.scalars
            for name in self._absent:
                if scalars[name] is not None:
                    return False
            new, before = row.numbers(self._numbers)
            values = [scalars[name] for name in names]
            try:
                pack_into(memory, offset, row.scale, row.keep, row.l2, *values, *new, *before)
            except struct.error:  # a scalar has become None
                return False
            offset += self._row.size
        return True

    def run(self, check_only: bool = False) -> bool:
        """One step, or only its check; False, with nothing changed, if something is not as it was."""
        header = self._header
        header[word.THREADS] = min(threads(), self._most) if self._most > 1 else 1
        header[word.CHECK_ONLY] = check_only
        if self.elements < LONG or check_only:
            return bool(self._locked(self.address, self._worker) == word.DONE)
        # Other threads may run meanwhile: keep the gradients alive.
        grads = [p.grad for p in self.params]
        done = self._released(self.address, self._worker) == word.DONE
        del grads
        return bool(done)


__all__ = ["Launch", "refusal", "shared_memory", "usable", "variant_key"]
