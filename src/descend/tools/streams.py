"""The order of training data: the same seed gives the same batches, whoever asks, and in any order of asking.

A loader is iterated epoch after epoch, each with random numbers of its own, so what models draw for dropout never
shifts the data. Batches are kept while they fit into memory, which makes every further run free of loading.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from .isolation import RandomState, derive, generators_of, seed_everything

CACHE_BYTES = 256 * 2**20


def map_tensors(batch: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """A batch with a function applied to each of its tensors: tuples (named ones too), lists, dicts, nested."""
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, Mapping):
        items = {key: map_tensors(value, function) for key, value in batch.items()}
        return items if type(batch) is dict else _rebuilt(batch, items)
    if isinstance(batch, tuple):
        members = [map_tensors(item, function) for item in batch]
        return type(batch)(*members) if hasattr(batch, "_fields") else tuple(members)
    if isinstance(batch, list):
        return [map_tensors(item, function) for item in batch]
    return batch


def _rebuilt(batch: Mapping, items: dict) -> Any:
    """The same kind of mapping (Hugging Face's BatchEncoding is one), or a dict where that cannot be made of a dict."""
    try:
        return type(batch)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def tensors_of(batch: Any) -> list[Tensor]:
    """All tensors of a batch."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(batch, note)
    return found


def size_of(batch: Any) -> int | None:
    """How many examples a batch has: the first dimension of its first tensor that has one."""
    return next((len(tensor) for tensor in tensors_of(batch) if tensor.ndim), None)


def moved(batch: Any, device: torch.device) -> Any:
    """The batch on a device; itself if it is there."""
    if hasattr(batch, "to") and not isinstance(batch, (Tensor, Mapping, list, tuple)):
        return batch.to(device)
    return map_tensors(batch, lambda tensor: tensor if tensor.device == device else tensor.to(device))


class Stream:
    """The endless training order of one seed.

    Args:
        loader: an iterable of batches that can be iterated anew, or None: every batch is then None.
        seed: of the order, and of whatever else loading draws.
        device: where batches go.
        limit: bytes of batches that are kept.
    """

    def __init__(self, loader: Iterable | None, seed: int, device: torch.device, limit: int = CACHE_BYTES) -> None:
        self._loader, self._seed, self._device, self._limit = loader, seed, device, limit
        self._copies = False  # whether batches are handed out as copies: the model writes into them
        self._forget()

    def _forget(self) -> None:
        self._kept: list[tuple[Any, list[tuple[Tensor, int]]]] = []  # batches from the first on, tensors with versions
        self._bytes = 0
        self._starts: list[int] = []  # the number of the first batch of every epoch begun
        self._iterator: Iterator[Any] | None = None
        self._epoch = 0  # that the iterator is in
        self._next = 0  # the number of the batch that the iterator gives next
        self._random: RandomState | None = None  # of loading, between two batches

    def batch(self, number: int) -> Any:
        """The batch of that number, from 0 on; None without a loader.

        Raises:
            ValueError: an epoch of the loader has no batch.
        """
        if self._loader is None:
            return None
        if number < len(self._kept):
            batch, versions = self._kept[number]
            if not self._copies and any(tensor._version != version for tensor, version in versions):
                # Somebody's forward pass works in place on its input: load again, and hand out copies from now on.
                self._forget()
                self._copies = True
                return self.batch(number)
            return map_tensors(batch, torch.clone) if self._copies else batch
        if self._iterator is None:
            epoch: int | None = 0
        else:
            epoch = bisect_right(self._starts, number) - 1 if number < self._next else None
        while True:
            batch = self._load(epoch)
            epoch = None
            if self._next - 1 == number:
                return map_tensors(batch, torch.clone) if self._copies else batch

    def _load(self, epoch: int | None) -> Any:
        """The iterator's next batch, kept if it is the first one not kept and there is room.

        Args:
            epoch: the one to begin first; None to go on where the iterator stands.
        """
        generators = generators_of(self._loader)
        outside = RandomState.now(generators)
        try:
            if epoch is not None:
                self._begin(epoch)
            elif self._random is not None:
                self._random.restore()
            batch = next(self._iterator, _END)  # type: ignore[arg-type]  # _begin has made it
            if batch is _END:
                if self._next == self._starts[self._epoch]:
                    raise ValueError("loader: an epoch of it has no batch; is it an iterator that has run out?")
                self._begin(self._epoch + 1)
                batch = next(self._iterator, _END)  # type: ignore[arg-type]
                if batch is _END:
                    raise ValueError("loader: only its first epoch has batches; it must be possible to iterate anew")
            batch = moved(batch, self._device)
            self._random = RandomState.now(generators)
        finally:
            outside.restore()
        if self._next == len(self._kept):
            tensors = tensors_of(batch)
            size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
            if self._bytes + size <= self._limit:
                self._bytes += size
                self._kept.append((batch, [(tensor, tensor._version) for tensor in tensors]))
        self._next += 1
        return batch

    def _begin(self, epoch: int) -> None:
        """Start an epoch that has been begun before, or the one after the last; leaves loading's random numbers on."""
        if epoch == len(self._starts):
            self._starts.append(self._next)
        seed_everything(derive("data", self._seed, epoch), generators_of(self._loader))
        self._epoch, self._next = epoch, self._starts[epoch]
        self._iterator = iter(self._loader)  # type: ignore[arg-type]  # without a loader nothing is loaded


_END = object()
