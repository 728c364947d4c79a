"""The shell: what torch.optim.Optimizer promises, around a rule and the engines.

A step that finds everything as it was runs in one native call; anything new goes through `_replan`, which validates,
allocates state and makes the tables anew. Hooks and profiler ranges run only if there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from ..rules import Rule
from . import amp, checkpoint, checks, common, grouping, scheduling
from .explain import Explanation, assigned, explain
from .footprint import Memory, memory_of
from .hooks import hooked, profiling
from .moving import move
from .resolved import reader
from .scheduled import Scheduled
from .showing import show
from .statistics import StepStatistics, collect
from .stepping import Repeater, step_anew

_compiling = torch.compiler.is_compiling
_Self = TypeVar("_Self", bound="Optimizer")  # typing.Self is younger than Python 3.10


class Optimizer(torch.optim.Optimizer):
    """Base of all optimizers that are rules.

    Subclasses set `rule`, name their options in `defaults`, and refuse bad values in `_check_group`.

    Args:
        params: Tensors, (name, Tensor) pairs, or dicts of a parameter group each.
        defaults: options of every group that does not set its own; a number may be a schedule (`descend.schedules`).
        engine: "auto" (native kernels for every tensor they can take, torch operations for the rest), "eager" (torch
            operations only) or "cpu" (as "auto", but native kernels that cannot be had are an error).
        options: the others that every optimizer takes, by keyword; a group and a checkpoint hold only those in use:

            - ``clip_grad_norm``: scale all gradients of a step so that their common Euclidean norm is at most this
              (finite, >= 0), as torch.nn.utils.clip_grad_norm_ does; ``grad`` itself is not changed. The norm is
              summed in float64 and does not depend on the number of threads. Equal in all groups.
            - ``clip_grad_value``: clip every gradient element to [-value, value] (finite, >= 0), before the norm.
            - ``nonfinite``: what a NaN or infinite gradient does: "propagate" (as in torch), "skip" the step
              (nothing changes, ``skipped_steps`` counts) or "raise" RuntimeError with the parameters' names.
            - ``stats``: keep what :meth:`stats` tells.
            - ``state_dtype``: "float32", "bfloat16", "float16" or "int8" (blocks of 128 with a scale), or a dict of
              those by buffer: how state is kept. Computed in float32 all the same. See docs/precision.md.
            - ``rounding``: "stochastic" or "kahan": how bfloat16 and float16 parameters are stored, so that updates
              smaller than half a unit in the last place are not lost. ``master="split"`` keeps bfloat16 parameters
              with the 16 bits that make them exact float32 values. Parameters of other dtypes stay as they are.
            - ``seed``: of what is rounded at random; the bits depend on it, the step and the element.

    Attributes:
        skipped_steps: how many steps ``nonfinite="skip"`` has left out.
    """

    rule: ClassVar[Rule]
    _engine: str = "auto"
    _repeater: Repeater | None = None
    _in_hooks: bool = False
    _prepared: dict[Tensor, tuple[Any, Any]] | None = None  # state that means nothing yet: see preparing.py
    _step_supports_amp_scaling: bool = False  # read by GradScaler; set on instances with fused=True, as torch does
    _refuses_sparse: ClassVar[str] = ""  # torch's words, where they do not follow from the class name
    skipped_steps: int = 0
    _stats_of: Callable[[], Any] | None = None  # sums of the last step
    _scheduled: Scheduled | None = None  # the schedules that options follow
    _seen: set[Tensor] | None = None  # parameters of all groups, during construction only

    def __init__(self, params: Any, defaults: dict[str, Any], *, engine: str = "auto", **options: Any) -> None:
        if engine not in ("auto", "eager", "cpu"):
            raise ValueError(f"Invalid engine: {engine!r} (engine must be 'auto', 'eager' or 'cpu')")
        if engine != "auto":
            self._engine = engine
        self._seen = set()
        values = {**defaults, **common.used(type(self), options)}
        super().__init__(checks.parameters(params), scheduling.plain_defaults(self, values))
        del self._seen
        if defaults.get("fused"):
            self._step_supports_amp_scaling = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        common.show_in_signature(cls)
        if "_check_group" in cls.__dict__:
            cls._check_group = scheduling.checking(cls._check_group)  # type: ignore[assignment,method-assign]

    def _patch_step_function(self) -> None:
        self._zero_grad_profile_name = f"Optimizer.zero_grad#{type(self).__name__}.zero_grad"
        if not getattr(type(self).step, "hooked", False):
            type(self).step = hooked(type(self).step)  # type: ignore[method-assign]

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return state | {key: vars(self)[key] for key in ("_engine", "_scheduled", "skipped_steps") if key in vars(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._repeater = self._prepared = None
        if "differentiable" not in self._later_options:
            self.defaults.pop("differentiable", None)  # torch's base class adds it to every optimizer's defaults
        common.complete(self.defaults, self.param_groups)
        options = {**self.defaults, **self._later_options}
        for group in self.param_groups:
            for name, value in options.items():
                group.setdefault(name, value)
            if group.get("fused"):
                self._step_supports_amp_scaling = True
        checkpoint.numbers_as_tensors(self)

    # Options that torch added over the years, with the value that older checkpoints mean by leaving them out.
    _later_options: ClassVar[dict[str, Any]] = {"maximize": False, "foreach": None, "differentiable": False}

    def _check_group(self, group: dict[str, Any]) -> None:
        """Refuse bad values; called at construction, for every group, and when a value has changed."""
        raise NotImplementedError

    @scheduling.naming
    def _check_options(self, group: dict[str, Any]) -> None:
        self._check_group(group)
        common.check(group, self.rule.buffers)

    @torch._disable_dynamo
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group, for example of layers that are trained from now on.

        Args:
            param_group: "params" and the options that differ from the defaults. Not modified.

        Raises:
            TypeError: not a dict, or an entry is not a Tensor.
            ValueError: a bad option, a misspelled one, or a parameter that is in another group already.
        """
        grouping.add(self, param_group)

    @torch._disable_dynamo
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients.

        Args:
            set_to_none: drop the gradient tensors (True), or keep them and fill them with zeros (False).
        """
        if profiling():
            with torch.autograd.profiler.record_function(self._zero_grad_profile_name):
                grouping.zero_grad(self, set_to_none)
        else:
            grouping.zero_grad(self, set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: evaluates the loss anew and calls backward; runs with gradients enabled. Optional.

        Returns:
            What the closure returned; None without a closure.

        Raises:
            ValueError: a group's option was set to a value that is not allowed.
            RuntimeError: a gradient is sparse and the algorithm has no sparse form, or state does not fit a parameter.
            A step that raises has changed neither parameters nor state.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if _compiling():
            self._step_uncompiled()
        elif not (self._step_supports_amp_scaling and amp.skips(self)):
            if self._scheduled is not None:
                self._scheduled.settle(self)
            repeater = self._repeater
            if repeater is None or not repeater.run(self):
                self._step_anew()
        return loss

    @torch._disable_dynamo
    def _step_uncompiled(self) -> None:
        """torch.compile leaves the update to the engines."""
        scheduling.settle(self)
        self._step_anew()

    def _step_anew(self) -> None:
        """A step that takes nothing for granted: validate, allocate state, choose engines, run."""
        self._repeater = None
        with torch.set_grad_enabled(bool(self.defaults.get("differentiable"))):
            self._repeater = step_anew(self)

    @property
    def _read(self) -> Callable[[Any], tuple[Any, ...]]:
        return reader(self.rule, self.defaults)

    def _only_eager(self) -> str:
        """Why everything must run on torch operations; empty if it need not."""
        if self._engine == "eager":
            return "engine='eager' was asked for"
        return "differentiable=True: autograd records every operation" if self.defaults.get("differentiable") else ""

    def _assigned(self) -> dict[str, list[tuple[str, str]]]:
        """For each engine, (parameter name, reason) of what it runs."""
        return assigned(self)

    def _expected_state(self, param: Tensor) -> tuple[Sequence[str], Mapping[str, torch.Size]]:
        """Keys of tensors that the parameter's state must have once it has any, and shapes of those it may have."""
        buffers = self.rule.buffers
        return [key for key, buffer in buffers.items() if buffer.when is None], dict.fromkeys(buffers, param.shape)

    def explain(self, *, quiet: bool = False) -> Explanation:
        """Print which engine runs which tensors and why, what the state costs in bytes, and the update equation.

        Args:
            quiet: print nothing, only return it.

        Returns:
            The same as data; `str()` of it is the text.
        """
        explanation = explain(self)
        if not quiet:
            print(explanation)
        return explanation

    def stats(self) -> StepStatistics:
        """Norms of gradients, updates and parameters in the last step, in total and for each parameter.

        Needs ``stats=True``. The sums were kept during the step; they are put together here.

        Raises:
            RuntimeError: ``stats=True`` was not given, or nothing has been updated yet.

        Example:
            >>> import torch, descend
            >>> w = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
            >>> optimizer = descend.SGD([("w", w)], lr=0.1, stats=True)
            >>> w.sum().backward(); optimizer.step()
            >>> stats = optimizer.stats()
            >>> f"{stats.grad_norm:.3f} {stats.update_norm:.3f} {stats.parameters['w'].update_ratio:.4f}"
            '1.414 0.141 0.0291'
        """
        if self._stats_of is None:
            raise RuntimeError(
                "optimizer.stats() has nothing to tell: no step has updated anything yet"
                if self.defaults.get("stats")
                else "optimizer.stats() needs stats=True when the optimizer is made"
            )
        return collect(self._stats_of())

    def memory(self) -> Memory:
        """Bytes of parameters, gradients and state once every parameter has been updated, counted from shapes."""
        return memory_of(self)

    __repr__ = show

    def to(self: _Self, device: torch.device | str | int | None = None) -> _Self:
        """Move state to another device, after the model has moved there; parameters and options stay.

        Args:
            device: where to; None: where each parameter is now. Step counts stay on the CPU, as torch keeps them,
                except with capturable=True or fused=True.

        Returns:
            This optimizer.
        """
        move(self, device)
        return self

    @torch._disable_dynamo
    def state_dict(self, *, format: str | None = None) -> dict[str, Any]:
        """The optimizer as plain containers and tensors, laid out as by torch; the tensors are the live ones.

        State of tensors that are in no group any more is left out.

        Args:
            format: "torch": as torch.optim would hold it, low-precision state as plain numbers.
        """
        if format not in (None, "torch"):
            raise ValueError(f"Invalid format: {format!r} (format must be None or 'torch')")
        with checkpoint.without_orphans(self):
            state_dict = super().state_dict()
        return state_dict if format is None else checkpoint.as_torch(self, state_dict)

    @torch._disable_dynamo
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint of descend or of torch.optim.

        State is copied, keeps its dtype, and is matched by parameter name if both sides have names, else by position.

        Args:
            state_dict: what `state_dict()` returned.

        Raises:
            ValueError: groups, names or shapes do not fit; the message names the parameter. Nothing is changed then.
        """
        checkpoint.load(self, state_dict)


Optimizer.step = hooked(Optimizer.step)  # type: ignore[method-assign]
