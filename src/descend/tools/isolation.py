"""Leaving the user's things alone: random numbers, threads and gradients are as before, whatever happens in between.

The tools train copies, so weights need no restoring. What copies share with their original are the generators of
random numbers, which are put back, and whatever a user's function has captured, which is checked.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class RandomState:
    """Every generator that training may draw from: torch's (GPUs included), numpy's, Python's, a loader's."""

    cpu: Tensor
    cuda: tuple[Tensor, ...]
    numpy: Any
    python: Any
    own: tuple[tuple[torch.Generator, Tensor], ...]

    @staticmethod
    def now(generators: Iterable[torch.Generator] = ()) -> RandomState:
        """As they are now.

        Args:
            generators: further ones, such as a data loader's own.
        """
        numpy = sys.modules.get("numpy")
        return RandomState(
            cpu=torch.get_rng_state(),
            cuda=tuple(torch.cuda.get_rng_state_all()) if torch.cuda.is_initialized() else (),
            numpy=None if numpy is None else numpy.random.get_state(),
            python=random.getstate(),
            own=tuple((generator, generator.get_state()) for generator in generators),
        )

    def restore(self) -> None:
        """Put every generator back; GPUs that were first used since then stay as they are."""
        torch.set_rng_state(self.cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(list(self.cuda))
        if self.numpy is not None:
            sys.modules["numpy"].random.set_state(self.numpy)
        random.setstate(self.python)
        for generator, state in self.own:
            generator.set_state(state)


def seed_everything(seed: int, generators: Iterable[torch.Generator] = ()) -> None:
    """Start every generator anew: torch's, numpy's, Python's and the given ones.

    Args:
        seed: any integer; taken modulo 2**32, which is what numpy can hold.
        generators: further ones.
    """
    seed %= 2**32
    torch.manual_seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed)
    random.seed(seed)
    for generator in generators:
        generator.manual_seed(seed)


def derive(*parts: int | str) -> int:
    """A seed of 32 bits that depends on all parts, the same in every process: Python's own hash is salted."""
    value = 0x811C9DC5
    for byte in "/".join(map(str, parts)).encode():
        value = ((value ^ byte) * 0x01000193) % 2**32
    return value


@contextmanager
def random_numbers_of(seed: int) -> Iterator[None]:
    """Draw from `seed` inside, and go on outside as if nothing had been drawn."""
    before = RandomState.now()
    try:
        seed_everything(seed)
        yield
    finally:
        before.restore()


@contextmanager
def use_threads(number: int | None) -> Iterator[None]:
    """Let torch use so many threads, and afterwards as many as before; None changes nothing."""
    before = torch.get_num_threads()
    try:
        if number is not None:
            torch.set_num_threads(number)
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def generators_of(loader: Any) -> tuple[torch.Generator, ...]:
    """The generators that a data loader and its samplers draw from, besides torch's own."""
    sampler = getattr(loader, "batch_sampler", None)
    inner = getattr(sampler, "sampler", None)
    holders = (loader, getattr(loader, "sampler", None), sampler, inner, getattr(loader, "dataset", None))
    found = [getattr(holder, "generator", None) for holder in holders]
    return tuple({id(g): g for g in found if isinstance(g, torch.Generator)}.values())


@contextmanager
def untouched(*loaders: Any, threads: int | None = None) -> Iterator[None]:
    """Run a tool: gradients are on, threads as asked, and at the end random numbers and threads are as before.

    Args:
        loaders: data loaders, whose own generators are put back, too.
        threads: how many torch may use meanwhile; None for as many as it does now.
    """
    before = RandomState.now(g for loader in loaders for g in generators_of(loader))
    try:
        with use_threads(threads), torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        before.restore()


class Gradients:
    """The gradients of a model that must not change while its copies train."""

    def __init__(self, model: nn.Module) -> None:
        self._before = [(p, p.grad, None if p.grad is None else p.grad._version) for p in model.parameters()]
        self._values = [None if grad is None else grad.clone() for _, grad, _ in self._before]

    def check(self, what: str) -> None:
        """Refuse a loss that reached the original model; its gradients are put back first.

        Args:
            what: the function that computed the loss, as the message should call it.

        Raises:
            ValueError: a parameter of the model has another gradient than before.
        """
        leaked = False
        for (parameter, grad, version), value in zip(self._before, self._values, strict=True):
            if parameter.grad is not grad:
                leaked, parameter.grad = True, grad
            if grad is not None and grad._version != version:
                leaked = True
                assert value is not None
                with torch.no_grad():
                    grad.copy_(value)
        if leaked:
            raise ValueError(
                f"{what} computes with the model that it was written next to, not with the one that it is given: "
                f"copies of the model are trained here. Pass step=lambda model, batch: ..., and use that model alone"
            )


def guarded(model: Any, what: str) -> Callable[[], None]:
    """What to call after the first backward pass of a copy: checks that nothing reached the original."""
    if not isinstance(model, nn.Module):
        return lambda: None
    gradients = Gradients(model)
    return lambda: gradients.check(what)
