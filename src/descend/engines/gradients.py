"""The norm of tensors, and their scaling in place, without an optimizer around: for `clip_grad_norm_`."""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy
import torch
from torch import Tensor

from ..rules import Rule
from ..storage import NATIVE, compute_dtype
from . import layout as word
from . import measures
from .cpu import is_dense, name_of, usable
from .eager import is_exact
from .launch import LONG, SHARE, added, entry_points
from .native import threads
from .source import Norm, Variant, kernel


def _scaled(p, g, *, factor):  # type: ignore[no-untyped-def]
    """The equation: p <- factor p."""
    return factor * p


_SCALED = Rule(_scaled, lambda t, *, factor: dict(factor=factor), counts_steps=False)
_layout, _dtype, _is_cpu, _bytes = map(attrgetter, ("layout", "dtype", "is_cpu", "nbytes"))


def takes(tensors: Sequence[Tensor]) -> bool:
    """Whether native code can run through all of these tensors, each of which has memory of its own."""
    if usable() or not all(map(is_exact, tensors)) or not all(map(_is_cpu, tensors)):
        return False
    if any(layout is not torch.strided for layout in map(_layout, tensors)):
        return False
    if any(dtype not in NATIVE for dtype in set(map(_dtype, tensors))) or not _all_dense(tensors):
        return False
    if any(map(Tensor.is_inference, tensors)) or any(map(Tensor.is_neg, tensors)):
        return False
    if torch._C._functorch.maybe_current_level() is not None:  # a function transform
        return False
    starts = numpy.fromiter(map(Tensor.data_ptr, tensors), numpy.int64, len(tensors))
    sizes = numpy.fromiter(map(_bytes, tensors), numpy.int64, len(tensors))
    order = numpy.argsort(starts, kind="stable")
    order = order[sizes[order] > 0]
    return bool((starts[order[:-1]] + sizes[order[:-1]] <= starts[order[1:]]).all())


def _all_dense(tensors: Sequence[Tensor]) -> bool:
    return all(map(Tensor.is_contiguous, tensors)) or all(map(is_dense, tensors))


class Tensors:
    """Dense tensors of one dtype, none sharing memory with another.

    Args:
        tensors: see `takes`.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._alive = tensors
        sizes = numpy.fromiter(map(Tensor.numel, tensors), numpy.int64, len(tensors))
        addresses = numpy.fromiter(map(Tensor.data_ptr, tensors), numpy.int64, len(tensors))
        self._columns = numpy.concatenate([addresses, addresses])
        self._starts = numpy.concatenate([[0], numpy.cumsum(sizes)])
        self._elements = int(self._starts[-1])
        chunks = -(-sizes // word.CHUNK)
        self._squares = numpy.zeros(int(chunks.sum()))
        self._norms = self._squares.ctypes.data + 8 * (numpy.cumsum(chunks) - chunks)
        self._row = ctypes.create_string_buffer(8 * (word.SCALARS + 1))
        self._rows = numpy.full(len(tensors), ctypes.addressof(self._row), numpy.int64)
        self._header = header = (ctypes.c_int64 * word.WORDS)()
        header[word.ENTRIES], header[word.TOTAL] = len(tensors), self._elements
        columns = {word.ADDRESSES: self._columns, word.STARTS: self._starts, word.NORMS: self._norms}
        for field, column in {**columns, word.ROW: self._rows}.items():
            header[field] = column.ctypes.data
        self._dtype = name_of(tensors[0].dtype)
        self._computed = name_of(compute_dtype(tensors[0].dtype))

    def _run(self, address: int) -> None:
        header = self._header
        header[word.KERNEL], header[word.MODE] = address, word.RUN
        most = max(1, self._elements // SHARE)
        header[word.THREADS] = min(threads(), most) if most > 1 else 1
        locked, released, worker = entry_points()
        (locked if self._elements < LONG else released)(ctypes.addressof(header), worker)

    def squares(self) -> float:
        """The sum of their squares, in float64."""
        self._run(kernel(Norm(self._dtype, self._computed, False)))
        return added(self._squares)

    def scale(self, factor: float) -> None:
        """Multiply all of them, in place."""
        struct.pack_into(f"={word.SCALARS + 1}d", self._row, 0, 1.0, 1.0, 0.0, math.inf, 1.0, factor)
        dtypes = (self._dtype, self._dtype)
        self._run(kernel(Variant(_SCALED, dtypes, (False,), self._computed, scale=False, keep=False, l2=False)))
        torch.autograd.graph.increment_version(self._alive)


def clip(tensors: Sequence[Tensor], limit: float, refuse: bool) -> float:
    """Scale tensors that `takes` so that their common norm is at most the limit; their norm before.

    Raises:
        RuntimeError: the norm is NaN or infinite, and `refuse` says that this is an error; nothing is changed.
    """
    by_dtype: dict[Any, list[Tensor]] = {}
    for tensor, dtype in zip(tensors, map(_dtype, tensors), strict=True):
        by_dtype.setdefault(dtype, []).append(tensor)
    tables = [Tensors(group) for group in by_dtype.values()]
    total = measures.total(table.squares() for table in tables)
    norm = measures.norm(total, lambda: [(tensor, math.inf) for tensor in tensors])
    if refuse and not math.isfinite(norm):
        raise RuntimeError(
            f"The total norm of order 2.0 for gradients from `parameters` is non-finite ({norm}), so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    factor = measures.factor(limit, norm)
    if factor != 1:  # where nothing is to be done, nothing is written
        for table in tables:
            table.scale(factor)
    return norm
