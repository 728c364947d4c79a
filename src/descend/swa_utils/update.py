"""One update of all averages: prepared once, run again in one native launch while everything is as it was.

Native code reads a gradient where autograd keeps it. So each averaged tensor has a view of its own (same memory, same
version counter) with the model's parameter as its `grad`; the averaged parameters' own `grad` is untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import torch
from torch import Tensor
from torch.nn import Module

from ..engines import eager
from ..engines.job import Job, Row
from ..engines.plan import Outcome, Plan, choose
from ..rules.averaging import AVERAGING
from .exact import beside
from .functions import is_averaged, scalars
from .matching import Pair, Snapshot, match

_looks = attrgetter("shape", "device", "dtype")


def _same_place(tensors: Sequence[Tensor], views: Sequence[Tensor]) -> bool:
    """Whether each tensor is still where its view is, in the same layout."""
    try:
        return all(map(Tensor.is_set_to, tensors, views))
    except Exception:  # tensors without memory of their own
        return False


class Update:
    """What belongs together in an averaged module and a model.

    Args:
        averaged: the averaged module.
        model: the model. It is not kept alive.
        use_buffers: average buffers, too, instead of copying them.

    Raises:
        ValueError: the two do not match.
    """

    def __init__(self, averaged: Module, model: Module, use_buffers: bool) -> None:
        parameters, buffers = match(averaged, model, "parameters"), match(averaged, model, "buffers")
        self.use_buffers = use_buffers
        self.pairs = parameters + buffers if use_buffers else parameters
        self.copied = [] if use_buffers else buffers
        self._launch: _Launch | None = None
        self._snapshots = Snapshot(averaged, self._forget), Snapshot(model, self._forget)

    def _forget(self) -> None:
        self.pairs, self.copied, self._launch = [], [], None

    def fits(self, averaged: Module, model: Module, use_buffers: bool) -> bool:
        """Whether modules and the objects they hold are those this was made for."""
        return (
            self.use_buffers == use_buffers
            and self._snapshots[0].holds(averaged)
            and self._snapshots[1].holds(model)
            and all(a.shape == m.shape for _, a, m in self.copied)
        )

    def copy(self) -> None:
        """Copy what is not averaged."""
        copy(self.copied)

    def average(self, weight: float, exact: dict[str, Tensor], engine: str) -> bool:
        """Average everything; what needs no average is copied.

        Args:
            weight: of the model.
            exact: what is kept beside averages in half precision; entries are made as needed.
            engine: "auto", "eager" or "cpu".

        Returns:
            False, with nothing changed, if a tensor has changed its shape or place.
        """
        launch = self._launch
        if launch is not None and launch.engine == engine and launch.run(weight, exact):
            return True
        if any(a.shape != m.shape for _, a, m in self.pairs):
            return False
        self._launch = launch = _Launch(self.pairs, weight, exact, engine)
        return launch.run(weight, exact)


def copy(pairs: Sequence[Pair]) -> None:
    """Copy the model's tensors to the averaged module's: not to views of them, which for sparse ones do not follow."""
    targets, sources = [pair.averaged for pair in pairs], [pair.model for pair in pairs]
    if targets and all(map(eager.is_exact, targets)) and all(map(eager.is_exact, sources)):
        torch._foreach_copy_(targets, sources)
    else:
        for target, source in zip(targets, sources, strict=True):
            target.copy_(source)


class _Launch:
    """Tensors sorted by how they are averaged, with the tables that native code reads."""

    def __init__(self, pairs: Sequence[Pair], weight: float, exact: dict[str, Tensor], engine: str) -> None:
        self.engine = engine
        self._pairs = [p for p in pairs if is_averaged(p.averaged)]
        self._copied = [p for p in pairs if not is_averaged(p.averaged)]
        self._rows: dict[torch.dtype, Row] = {}
        jobs, self._exact = [], {}
        for name, averaged, model in self._pairs:
            dtype = averaged.dtype
            kept = beside(averaged.detach(), exact.get(name))
            if kept is not None:
                self._exact[name] = exact[name] = kept
            options = self._rows.setdefault(dtype, Row([0], 1, {}, scalars(weight, dtype)))
            jobs.append(Job(averaged.detach(), model.detach(), (kept,), (), options, name))
        only_eager = "engine='eager' was asked for" if engine == "eager" else ""
        reasons = choose(jobs, only_eager)
        natively = [i for i, reason in enumerate(reasons) if not reason]
        for i in natively:
            view, model = jobs[i].param, self._pairs[i].model
            view.grad_dtype = None  # the model may be trained in another dtype
            view.grad = model
        self._plan = Plan(AVERAGING, [jobs[i] for i in natively], [], only_eager, engine == "cpu")
        native = {id(job) for launch in self._plan.launches for job in launch.jobs}
        every = zip(jobs, self._pairs, strict=True)
        self._rest = [(job, pair.averaged, pair.model) for job, pair in every if id(job) not in native]
        self._plan.eager = []  # what no kernel could be had for is among the rest
        self._averaged, self._views = [p.averaged for p in self._pairs], [job.param for job in jobs]
        self._others = [model for _, _, model in self._rest] + [t for p in self._copied for t in p[1:]]
        self._known = list(map(_looks, self._others))
        self.fresh = True

    def run(self, weight: float, exact: dict[str, Tensor]) -> bool:
        """Average; False, with nothing changed, if something is not as it was."""
        if not self.fresh:
            same = _same_place(self._averaged, self._views) and list(map(_looks, self._others)) == self._known
            if not same or any(exact.get(name) is not kept for name, kept in self._exact.items()):
                return False
            for dtype, options in self._rows.items():
                options.scalars = scalars(weight, dtype)
        self.fresh = False
        if self._plan.launches and self._plan.run() is not Outcome.DONE:
            return False
        self._run_rest(weight)
        copy(self._copied)
        return True

    def _run_rest(self, weight: float) -> None:
        """What native code cannot take: other devices in one call each, everything else one by one."""
        alike: dict[tuple[torch.device, torch.dtype], tuple[list[Tensor], list[Tensor]]] = {}
        for job, averaged, model in self._rest:
            target, source = job.param, model.detach()
            key = target.device, target.dtype
            if target.layout != torch.strided:  # a sparse buffer, whose views have a number of values of their own
                averaged.copy_(averaged + weight * (source.to(target.device) - averaged))
            elif (
                not target.is_cpu
                and key == (source.device, source.dtype)
                and job.buffers[0] is None
                and eager.is_exact(target)
                and eager.is_exact(source)
            ):
                targets, sources = alike.setdefault(key, ([], []))
                targets.append(target)
                sources.append(source)
            else:
                job.grad = source.to(target.device)
                eager.run(AVERAGING, [job])
        for targets, sources in alike.values():
            torch._foreach_lerp_(targets, sources, weight)
