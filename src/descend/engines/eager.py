"""The eager engine: a rule on torch operations, on any device and tensor type.

It serves every tensor that the compiled engines refuse, and is the reference they are tested against.
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch
from torch import Tensor

from ..rules import Rule
from ..storage import compute_dtype, load, store
from ..storage.kept import is_dithered, load_kept, store_kept
from . import measures
from .job import Job, Row


def _maximum(a: Any, b: Any) -> Tensor:
    """torch.maximum, for tensors and scalars."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.maximum(a, b)
    return torch.clamp(a, min=b) if isinstance(a, Tensor) else torch.clamp(b, min=a)


def _minimum(a: Any, b: Any) -> Tensor:
    """torch.minimum, for tensors and scalars."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.minimum(a, b)
    return torch.clamp(a, max=b) if isinstance(a, Tensor) else torch.clamp(b, max=a)


def _sqrt(x: Tensor) -> Tensor:
    """The root rounded to nearest: torch's own is off by one in the last place here and there, depending on place."""
    if torch.is_grad_enabled() or type(x) is not Tensor or x.device.type != "cpu":
        return torch.sqrt(x)
    if torch._C._functorch.maybe_get_level(x) >= 0:
        return torch.sqrt(x)
    with numpy.errstate(invalid="ignore"):
        return torch.from_numpy(numpy.asarray(numpy.sqrt(x.numpy())))


def _sign(x: Tensor) -> Tensor:
    """torch.sign gives 0 for NaN, which would hide it."""
    return torch.where(x == x, torch.sign(x), x)


VOCABULARY: dict[str, Callable[..., Any]] = {
    "abs": torch.abs,
    "maximum": _maximum,
    "minimum": _minimum,
    "sign": _sign,
    "sqrt": _sqrt,
    "where": torch.where,
}


@functools.cache
def bind(rule: Rule) -> Callable[..., Any]:
    """The rule's own function with the vocabulary bound to torch: same code, other global names."""
    f = rule.update
    return types.FunctionType(f.__code__, {**f.__globals__, **VOCABULARY}, f.__name__, None, f.__closure__)


def is_exact(tensor: Tensor) -> bool:
    """True for a plain Tensor or Parameter: no subclass that may give operations another meaning."""
    return type(tensor) is Tensor or type(tensor) is torch.nn.Parameter


def _values(job: Job) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    """Parameter and buffers as they are to be computed with, whatever they are kept as."""
    if not job.kinds:
        return job.param, job.buffers
    words = job.words or (None,) * len(job.buffers)
    kept = zip(job.kinds[1:], job.buffers, words, strict=True)
    buffers = tuple([b if b is None or k is None or w is None else load_kept(k, b, w) for k, b, w in kept])
    assert job.kinds[0] is not None
    return job.param if job.rest is None else load_kept(job.kinds[0], job.param, None, job.rest), buffers


def compute(
    rule: Rule, row: Row, param: Tensor, grad: Tensor, buffers: Sequence[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """New values of parameter and buffers in the compute dtype; writes nothing."""
    dtype = compute_dtype(param.dtype)
    if torch.is_grad_enabled():  # differentiable=True: autograd may keep what is about to be overwritten in place
        param, buffers = param.clone(), [b if b is None else b.clone() for b in buffers]
    p, g = load(param, dtype), load(grad if grad.layout == torch.strided else _exact_sums(grad).to_dense(), dtype)
    clips = not _is(row.clip, math.inf)
    scale = row.scale if clips or _is(row.factor, 1.0) else row.scale * row.factor
    if not _is(scale, 1.0):
        g = scale * g
    if clips:
        g = row.factor * torch.clamp(g, -row.clip, row.clip)
    if not _is(row.keep, 1.0):
        p = row.keep * p
    if not _is(row.l2, 0.0):
        g = g + row.l2 * p
    scalars = {name: row.scalars[name] for name in rule.scalar_names}
    new = bind(rule)(p, g, *(b if b is None else load(b, dtype) for b in buffers), **scalars)
    return new if isinstance(new, tuple) else (new,)


def _exact_sums(grad: Tensor) -> Tensor:
    """A sparse gradient in which what was given several times is not added up in half precision.

    An index that occurs 300 times in a batch, each time with a value of 1, would add up to 256 in bfloat16.
    """
    return grad.to(torch.float32) if grad.dtype in (torch.float16, torch.bfloat16) else grad


def _is(scalar: Any, value: float) -> bool:
    return isinstance(scalar, float) and scalar == value


def _write(rule: Rule, job: Job, new: Sequence[Tensor | None]) -> None:
    names = ("p", "g", *rule.buffers)
    for i, (target, value) in enumerate(zip((job.param, *job.buffers), new, strict=True)):
        if target is not None and value is not None:
            kind = job.kinds[i] if job.kinds else None
            words, rest = (job.words[i - 1] if i and job.words else None), (None if i else job.rest)
            if kind is None or (words is None and rest is None and not is_dithered(kind)):
                store(target, value)
            else:
                stream = 0 if i == 0 else names.index(list(rule.buffers)[i - 1])
                store_kept(kind, target, words, value, job.row.keys(stream), job.first_block, rest)
    _count(rule, job)


def _count(rule: Rule, job: Job) -> None:
    """Write the step count and what the rule remembers."""
    for tensor, value in zip(job.numbers, job.row.numbers(rule.numbers)[0], strict=True):
        tensor.fill_(value)


def _by_rows(rule: Rule, job: Job) -> bool:
    """Whether the gradient is sparse and what it leaves out stays as it is."""
    if job.grad.layout == torch.strided or any(w is not None for w in (*job.words, job.rest)):
        return False
    kept = zip(rule.buffers, job.buffers, strict=True)
    return all(buffer is None or name in (rule.sparse or ()) for name, buffer in kept)


def _update_rows(rule: Rule, job: Job) -> None:
    """A sparse gradient updates the rows it holds, and no others."""
    grad = _exact_sums(job.grad).coalesce()
    rows = tuple(grad.indices())
    tensors = (job.param, *job.buffers)
    picked = [t if t is None else t[rows] for t in tensors]
    assert picked[0] is not None
    new = compute(rule, job.row, picked[0], grad.values(), picked[1:])
    for target, values, value in zip(tensors, picked, new, strict=True):
        if target is not None and values is not None and value is not None:
            store(values, value)
            target[rows] = values
    _count(rule, job)


def _new(rule: Rule, job: Job) -> tuple[Tensor | None, ...]:
    param, buffers = _values(job)
    return compute(rule, job.row, param, job.grad, buffers)


def run(rule: Rule, jobs: Sequence[Job], stats: bool = False) -> list[list[float]]:
    """Update every job's parameter, buffers and step, in order.

    Args:
        rule: the algorithm.
        jobs: what to update.
        stats: return what `layout.STATISTICS` names for each job; otherwise nothing is returned.

    Tensor subclasses may lack an operation, which shows only when it is called: their new values are all computed
    before anything is written, so that a step that raises has changed nothing.
    """
    foreign = [
        job for job in jobs if not all(is_exact(t) for t in (job.param, job.grad, *job.buffers) if t is not None)
    ]
    computed = {id(job): _new(rule, job) for job in foreign}
    statistics = []
    for job in jobs:
        before = job.param.detach().clone() if stats else None
        if _by_rows(rule, job) and id(job) not in computed:
            _update_rows(rule, job)
            new: Tensor | None = job.param
        else:
            values = computed.get(id(job)) or _new(rule, job)
            new = values[0]
            _write(rule, job, values)
        if before is not None and new is not None:
            statistics.append(measures.statistics(job.grad, before, new))
    return statistics
