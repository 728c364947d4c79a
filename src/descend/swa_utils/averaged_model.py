"""`AveragedModel`: torch's class, every update in one launch, averages that neither stall nor mix up tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.optim.swa_utils as torch_swa
from torch import Tensor
from torch.nn import Module
from torch.utils._foreach_utils import _group_tensors_by_device_and_dtype

from .exact import beside, named_tensors, synced, wide
from .functions import AverageMany, AverageOne, Weights
from .update import Update, copy

AvgFn = Callable[[Tensor, Tensor, "Tensor | int"], Tensor]
MultiAvgFn = Callable[[Any, Any, "Tensor | int"], None]


class AveragedModel(torch_swa.AveragedModel):
    r"""A running average of a model's parameters: equally weighted (SWA) or exponential (EMA).

    A copy of the model, `module`, holds the averages; calling this calls it. `n_averaged` counts the models averaged.
    Averages in half precision are kept in float32 beside the module. `state_dict()` gives those under the same
    names, so that a run continues exactly; torch's class rounds them when it loads them.

    Args:
        model: what to average. It is copied.
        device: where the averages are kept; None: where the model's tensors are.
        avg_fn: `f(average, current, n_averaged)` gives the new average of a tensor; None: equal weights.
        multi_avg_fn: `f(averages, currents, n_averaged)` updates lists of tensors in place; None: equal weights.
        use_buffers: average the buffers, too; those of integers and flags are copied. If False, all are copied.
        engine: "auto": native code for every tensor it can take; "eager": torch operations; "cpu": as auto, but native
            code that cannot be had is an error.

    Raises:
        AssertionError: both avg_fn and multi_avg_fn are given.
        ValueError: engine is none of the three.

    Example:
        >>> import torch
        >>> from descend.swa_utils import AveragedModel, get_ema_multi_avg_fn
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.75))
        >>> for value in (0.0, 1.0, 1.0):  # in place of three training steps
        ...     _ = torch.nn.init.constant_(model.weight, value)
        ...     ema.update_parameters(model)
        >>> ema.module.weight.item(), ema.n_averaged.item()
        (0.4375, 3)
    """

    def __init__(
        self,
        model: Module,
        device: int | torch.device | str | None = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
        *,
        engine: str = "auto",
    ) -> None:
        if engine not in ("auto", "eager", "cpu"):
            raise ValueError(f"Invalid engine: {engine!r} (engine must be 'auto', 'eager' or 'cpu')")
        super().__init__(model, device, avg_fn, multi_avg_fn, use_buffers)  # type: ignore[arg-type]
        self._engine = engine
        self._exact: dict[str, Tensor] = {}  # by the first name of a tensor in half precision
        self._update: Update | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_update": None}

    def _weights(self) -> Weights | None:
        """How models count, if that is one of the ways known here; None for a function of the user's own."""
        function = self.multi_avg_fn or self.avg_fn
        if function is None:
            return Weights()
        return function.weights if isinstance(function, (AverageMany, AverageOne)) else None

    @torch._disable_dynamo
    def update_parameters(self, model: Module) -> None:
        """Average the model in: at first its values are copied, from then on the average moves towards them.

        Tensors are matched by name; wrappers (DistributedDataParallel, torch.compile) around the model do not count.

        Args:
            model: the model, or one with the same names and shapes.

        Raises:
            ValueError: names or shapes do not match; the message lists them, and nothing has been changed.
        """
        # What is kept for the next update must be usable outside inference mode; leaving that turns on autograd.
        with torch.inference_mode(False), torch.no_grad():
            self._average(model)

    def _average(self, model: Module) -> None:
        update, averaged = self._update, self.module
        if update is None or not update.fits(averaged, model, self.use_buffers):
            update = self._update = Update(averaged, model, self.use_buffers)
        count, weights = self.n_averaged, self._weights()
        n = int(count)
        if weights is None:
            self._exact.clear()
        if n == 0:
            self._start(update, weights)
        elif weights is None:
            self._by_function(update)
        else:
            weight = weights.newest(n)
            if not update.average(weight, self._exact, self._engine):
                update = self._update = Update(averaged, model, self.use_buffers)
                if not update.average(weight, self._exact, self._engine):
                    raise RuntimeError("descend: tensors changed during an update; is another thread using them?")
        update.copy()
        count.add_(1)

    def _start(self, update: Update, weights: Weights | None) -> None:
        """The first model is copied."""
        copy(update.pairs)
        self._exact.clear()
        for name, averaged, model in update.pairs:
            kept = beside(averaged.detach(), None) if weights is not None else None
            if kept is not None:
                self._exact[name] = kept.copy_(model)  # which may be in higher precision

    def _by_function(self, update: Update) -> None:
        """A function of the user's own gets what torch would give it."""
        averages = [averaged.detach() for _, averaged, _ in update.pairs]
        currents = [model.detach().to(averaged.device) for _, averaged, model in update.pairs]
        if self.multi_avg_fn is not None:
            groups = _group_tensors_by_device_and_dtype([averages, currents])  # type: ignore[list-item]
            for (device, _), ((some, of_model), _) in groups.items():
                self.multi_avg_fn(some, of_model, self.n_averaged.to(device))  # type: ignore[arg-type]
        else:
            assert self.avg_fn is not None
            for average, current in zip(averages, currents, strict=True):
                average.copy_(self.avg_fn(average, current, self.n_averaged.to(average.device)))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> AveragedModel:
        """Moves and casts; an average that leaves half precision gets back what rounding took."""
        dtypes = {first: tensor.dtype for _, first, tensor in named_tensors(self.module)} if self._exact else {}
        super()._apply(fn, recurse)
        if self._exact:
            for _, first, tensor in named_tensors(self.module):
                kept = self._exact.get(first)
                if kept is not None and tensor.dtype != dtypes[first]:
                    del self._exact[first]
                    if wide(tensor.dtype) is None and (tensor.is_floating_point() or tensor.is_complex()):
                        with torch.no_grad():
                            tensor.copy_(synced(tensor, kept, dtypes[first]))
        return self

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """The module's state and n_averaged, with torch's keys; averages in half precision as float32, unrounded.

        Args:
            *args: as for any module.
            **kwargs: as for any module. With keep_vars=True all entries are the parameters themselves.
        """
        result = super().state_dict(*args, **kwargs)
        prefix, keep_vars = kwargs.get("prefix", ""), kwargs.get("keep_vars", False)
        if len(args) > 1:
            prefix, keep_vars = args[1], args[2] if len(args) > 2 else keep_vars
        if self._exact and not keep_vars:
            for name, first, tensor in named_tensors(self.module):
                key, kept = f"{prefix}module.{name}", self._exact.get(first)
                if kept is not None and kept.shape == tensor.shape and key in result:
                    result[key] = synced(tensor, kept, tensor.dtype)
        return result

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """Keep what is in higher precision than its parameter; the children load the rounded values."""
        for name, first, tensor in named_tensors(self.module):
            dtype, value = wide(tensor.dtype), state_dict.get(f"{prefix}module.{name}")
            if dtype is None or not isinstance(value, Tensor):
                continue
            self._exact.pop(first, None)
            if value.shape == tensor.shape and wide(value.dtype) is None and value.is_complex() == tensor.is_complex():
                self._exact[first] = value.detach().to(device=tensor.device, dtype=dtype, copy=True)
        super()._load_from_state_dict(state_dict, prefix, *args)
