"""The CPU engine: which tensors compiled kernels take, and which of them share a kernel. launch.py runs them."""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..rules import Rule
from ..storage import NATIVE, compute_dtype, real_dtype
from .eager import is_exact
from .job import NO_GUARD, Guard, Job
from .native import native
from .source import BEYOND_CACHES, Variant, kernel


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


def is_dense(tensor: Tensor) -> bool:
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


def _plain(tensor: Tensor, what: str, dtypes: Sequence[torch.dtype] = NATIVE) -> str:
    """Why native code cannot read this tensor; empty if it can."""
    if not is_exact(tensor):
        return f"{what} is a {type(tensor).__name__}"
    if not tensor.is_cpu:
        return f"{what} is on {tensor.device}"
    if tensor.layout != torch.strided:
        return f"{what} is {str(tensor.layout).removeprefix('torch.')}"
    if real_dtype(tensor.dtype) not in dtypes:
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
    if not is_dense(job.param):
        return "parameter is not dense in memory"
    if not _same_layout(job.param, job.grad):
        return "gradient is laid out differently from the parameter"
    if job.grad.is_complex() != job.param.is_complex():
        return "gradient and parameter are not both complex"
    for buffer in (*job.buffers, job.rest):
        if buffer is not None:
            reason = _plain(buffer, "state", (*NATIVE, torch.int8, torch.uint8, torch.int16))
            if reason:
                return reason
            if not _same_layout(job.param, buffer) or buffer.is_complex() != job.param.is_complex():
                return "state is laid out differently from the parameter"
            if buffer.requires_grad:
                return "state requires a gradient"
    for words in job.words:
        if words is not None:
            reason = _plain(words, "state", (torch.float32, torch.int16))
            if reason or not words.is_contiguous():
                return reason or "state is not contiguous"
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
    tensors = (((job.param, *job.buffers, *job.numbers, *job.words, job.rest), i) for i, job in enumerate(jobs))
    return sorted((*_span(t), i) for group, i in tensors for t in group if t is not None and _in_memory(t))


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
    dtypes = [None if t is None else name_of(t.dtype) for t in (job.param, job.grad, *job.buffers)]
    if job.kinds:
        dtypes = [job.kinds[0], dtypes[1], *job.kinds[1:]]
    absent = tuple(job.row.scalars[name] is None for name in rule.scalar_names)
    return tuple(dtypes), absent, job.numbers[0].dtype if job.numbers else None


def variant_of(rule: Rule, jobs: Sequence[Job], guard: Guard = NO_GUARD) -> Variant:
    """The kernel for jobs with equal keys."""
    dtypes, absent, _ = variant_key(rule, jobs[0])
    return Variant(
        rule,
        dtypes,
        absent,
        name_of(compute_dtype(jobs[0].param.dtype)),
        scale=guard.clip_norm is not None or any(job.row.scale != 1 for job in jobs),
        keep=any(job.row.keep != 1 for job in jobs),
        l2=any(job.row.l2 != 0 for job in jobs),
        clip=any(job.row.clip != math.inf for job in jobs),
        past=sum(job.param.nbytes for job in jobs) >= BEYOND_CACHES,
        stats=guard.stats,
    )


def kernel_failure(rule: Rule, jobs: Sequence[Job], guard: Guard = NO_GUARD) -> str:
    """Why the kernel for jobs with equal keys cannot be had; empty if it can, and then it is in the cache."""
    try:
        kernel(variant_of(rule, jobs, guard))
    except Exception as error:  # whatever Numba, LLVM or the disk may raise
        return f"no native kernel: {type(error).__name__}: {error}"
    return ""
