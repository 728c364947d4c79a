"""The hooks around `optimizer.step()`: every so many steps they look at what it does, and they change nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .gauges import Probe, Spikes
from .measures import Measurer
from .records import Advice, Check, Group
from .rules import Rules
from .showing import page, summary

FREE = 50  # checks, before the budget counts: at the start advice matters most, and a training is longer than that
KEPT = 5000  # checks in history; older ones are only in the file


class Watch:
    """A training that is being watched; made by `watch`.

    Attributes:
        step: calls of `optimizer.step()` since watching began.
        history: the last 5000 checks, oldest first.
        advice: everything that was advised, oldest first.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module | None,
        every: int,
        budget: float,
        name: str,
        sinks: list[Any],
    ) -> None:
        self.optimizer, self.every, self.name = optimizer, every, name
        self._budget, self._spent = budget, 0.0  # share of the time that checks may take; seconds that they took
        self.step = 0
        self.history: deque[Check] = deque(maxlen=KEPT)
        self._rules = Rules()
        self._names = {} if model is None else {id(p): n for n, p in model.named_parameters()}
        self._model = model
        self._measurer = Measurer(optimizer, self._names)
        self._spikes = Spikes()
        self._probe = None if model is None else Probe(model)
        self._function: Callable[[], Any] | None = None
        self._losses: deque[tuple[int, Any]] = deque(maxlen=1000)  # (step, loss) since the last check
        self._wake = 1  # the next step at which there is something to do
        self._due = False
        self._pending: tuple[Any, ...] | None = None  # a check that waits for the gradients of the next step
        self._begun = self._counted_from = time.perf_counter()
        self._sinks = sinks
        self._handles = [
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
        ]

    # ----------------------------------------------------------------------------------------------- what users call

    def loss(self, value: Tensor | float) -> None:
        """Tell the training loss; not needed where `optimizer.step(closure)` returns it.

        Args:
            value: of one batch. Several before a step (gradient accumulation) are averaged.
        """
        if isinstance(value, Tensor):  # a number of another device is fetched at the next check, with the others
            value = value.item() if value.is_cpu else value.detach()
        self._losses.append((self.step, value))

    def check(self, function: Callable[[], Tensor | float]) -> None:
        """Before `optimizer.step()`: let the gauge alpha compare the loss before and after it, where a check is due.

        Args:
            function: computes the loss anew on the same batch. Called once or twice at every check, without
                gradients; random numbers and the model's buffers are put back.

        Raises:
            ValueError: `watch` was not given the model.
        """
        if self._probe is None:
            raise ValueError(
                "check() needs the model, whose buffers it must leave as they are: watch(optimizer, model)"
            )
        self._function = function

    @property
    def advice(self) -> list[Advice]:
        """Everything that was advised, oldest first."""
        return list(self._rules.given)

    def close(self) -> None:
        """Stop watching: hooks are removed, files closed. Calling it again does nothing."""
        if not self._handles:
            return
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._finish({})
        for sink in self._sinks:
            sink.close(self.step, time.perf_counter() - self._begun, self.advice)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def summary(self) -> str:
        """What was seen and advised, as text."""
        return summary(self.step, list(self.history), self.advice)

    def __repr__(self) -> str:
        return f"<watch {self.name}: {self.step} steps, {len(self.history)} checks, {len(self.advice)} advices>"

    def _repr_html_(self) -> str:
        return page(self.step, list(self.history), self.advice)

    # ------------------------------------------------------------------------------------------------------- hooks

    def _before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> Any:
        self.step += 1
        if self.step < self._wake and len(args) == 1 and not kwargs:
            return None
        due = self._due = self.step % self.every == 0 and self._affordable()
        self._wake = self.step + 1 if due else (self.step // self.every + 1) * self.every
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if callable(closure):
            return self._with_closure(closure, args, kwargs)
        if self.step == 1:
            self._first_step()
        if due or self._pending is not None:
            if due and torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
                self._due = False  # reading a number would break the capture of a CUDA graph
                return None
            start = time.perf_counter()
            with torch.no_grad():
                if self._pending is not None:
                    self._finish(self._measurer.cosines())
                if due:
                    self._measurer.begin()
                    self._gradients_are_there()
            self._spent += time.perf_counter() - start
        return None

    def _affordable(self) -> bool:
        """Whether checks have taken less than their share of the time; the first fifty are always made."""
        now = time.perf_counter()
        if len(self.history) < FREE:
            self._counted_from, self._spent = now, 0.0
            return True
        return self._spent <= self._budget * (now - self._counted_from)

    def _with_closure(self, closure: Callable[[], Any], args: Any, kwargs: Any) -> Any:
        """Gradients and loss are those of the closure's first evaluation in the step."""
        waiting = True
        if self._due:
            self._finish({})
            with torch.no_grad():
                self._measurer.begin()

        def observed() -> Any:
            nonlocal waiting
            loss = closure()
            if waiting:
                waiting = False
                if isinstance(loss, (Tensor, float, int)):
                    self._losses.append((self.step - 1, loss.detach() if isinstance(loss, Tensor) else loss))
                if self.step == 1:
                    self._first_step()
                with torch.no_grad():
                    if self._due:
                        self._gradients_are_there()
                    elif self._pending is not None:
                        self._finish(self._measurer.cosines())
            return loss

        if len(args) > 1:
            return (args[0], observed, *args[2:]), kwargs
        return args, {**kwargs, "closure": observed}

    def _first_step(self) -> None:
        """What later checks compare with."""
        with torch.no_grad():
            silent = self._measurer.start()
        losses = by_step(self._losses)
        self._rules.start(losses[-1] if losses else None, silent)

    def _gradients_are_there(self) -> None:
        self._measurer.read_gradients(needed=self._function is not None)
        if self._function is not None and self._probe is not None:
            told = [value for step, value in self._losses if step == self.step - 1]
            self._probe.before(self._function, float(told[0]) if len(told) == 1 else None)

    def _after_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if not self._due:
            self._function = None
            return
        self._due = False
        start = time.perf_counter()
        with torch.no_grad():
            groups = self._measurer.end()
            alpha = None
            if self._function is not None and self._probe is not None:
                alpha = self._probe.after(self._measurer.slope())
        self._function = None
        losses = by_step(self._losses)
        self._losses.clear()
        seconds = time.perf_counter() - self._begun
        last = losses[-1] if losses else None
        growth = self._measurer.growth(groups.values())
        measured = (self.step, seconds, last, self._spikes.add(losses), alpha, growth)
        self._pending = measured, groups
        self._spent += time.perf_counter() - start

    def _finish(self, cosines: dict[int, float | None]) -> None:
        """The check is complete."""
        if self._pending is None:
            return
        (step, seconds, loss, z, alpha, growth), groups = self._pending
        self._pending = None
        check = Check(
            step,
            seconds,
            loss,
            z,
            alpha,
            growth,
            tuple(Group(cos=cosines.get(n), **group) for n, group in groups.items()),
        )
        self.history.append(check)
        new = self._rules.add(check)
        for sink in self._sinks:
            sink.show(check, new, self._rules.active)


def by_step(told: Iterable[tuple[int, Any]]) -> list[float]:
    """The losses in their order, those that were told before the same step averaged."""
    found: dict[int, list[float]] = {}
    for step, value in told:
        found.setdefault(step, []).append(float(value))
    return [sum(values) / len(values) for values in found.values()]
