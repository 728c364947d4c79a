"""A model, its data and its loss: everything that a training run needs except an optimizer."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .isolation import RandomState, derive, generators_of, guarded, random_numbers_of, seed_everything
from .streams import CACHE_BYTES, Stream, map_tensors, moved, size_of, tensors_of


class Problem:
    """What to train; never changes what it was given.

    Args:
        model: a module, of which every run gets a copy, or a function of no arguments that makes one: then the initial
            weights depend on the seed.
        loader: batches to train on; anything that can be iterated anew. None: `step` gets None for a batch.
        loss_fn: called as `loss_fn(model(inputs), targets)` for batches `(inputs, targets)`; with more inputs,
            `(a, b, targets)`, the model gets `model(a, b)`. Batches that are dicts need none: the loss is
            `model(**batch).loss` then.
        step: instead of `loss_fn`: called as `step(model, batch)`, returns the loss, a scalar tensor.
        val: batches to measure the loss on, or a function `val(model)` that returns it. None: runs are ranked by their
            training loss.
        metric: one more number to report of the held-out data, called as `loss_fn` or `step` is; as
            `metric(model, None)` where `val` is a function.
        name: what tables call it; the class of the model by default.
        title: a line about it.

    Raises:
        TypeError: an argument is of a type that cannot be used.
        ValueError: arguments do not fit together.
    """

    def __init__(
        self,
        model: nn.Module | Callable[[], nn.Module],
        loader: Iterable[Any] | None = None,
        loss_fn: Callable[..., Tensor] | None = None,
        *,
        step: Callable[[nn.Module, Any], Tensor] | None = None,
        val: Iterable[Any] | Callable[[nn.Module], Any] | None = None,
        metric: Callable[..., Any] | None = None,
        name: str = "",
        title: str = "",
    ) -> None:
        _check(model, loader, loss_fn, step, val, metric)
        self.model, self.loader, self.loss_fn, self.step = model, loader, loss_fn, step
        self.val, self.metric = val, metric
        self._streams: dict[int, Stream] = {}
        self._held_out: list[Any] | None = None
        self._starts: dict[int, float] = {}
        self._evaluates_with_gradients = False
        self._no_leak: Callable[[], None] | None = guarded(model, "step" if step is not None else "loss_fn")
        first = self.new_model(0)
        if not any(p.requires_grad for p in first.parameters()):
            raise ValueError("model: none of its parameters requires a gradient")
        self.parameters = sum(p.numel() for p in first.parameters())
        self.device = next(first.parameters()).device
        self.name = name or type(first).__name__
        self.title = title
        self.objective = "val loss" if val is not None else "train loss"
        self.metric_name = "" if metric is None else getattr(metric, "__name__", type(metric).__name__)
        self.batch_size = size_of(self.stream(0).batch(0))

    def new_model(self, seed: int) -> nn.Module:
        """A model at its start: a copy of the user's, or freshly made from the seed; without gradients."""
        if isinstance(self.model, nn.Module):
            model = _copy(self.model)
        else:
            with random_numbers_of(derive("model", seed)):
                model = self.model()
            if not isinstance(model, nn.Module):
                raise TypeError(f"model: the function must return a torch.nn.Module, got {type(model).__name__}")
        for parameter in model.parameters():
            parameter.grad = None
        # A model that was just evaluated is trained in training mode; parts that are frozen in eval mode stay so.
        if not model.training:
            model.train()
        return model

    def stream(self, seed: int) -> Stream:
        """The order of training batches of a seed, shared by all who ask for it."""
        if seed not in self._streams:
            # Few seeds share the memory; each could keep the whole data set.
            self._streams[seed] = Stream(self.loader, seed, self.device, CACHE_BYTES)
        return self._streams[seed]

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """The loss of a batch, as a scalar tensor with a graph behind it."""
        return self._outputs_and_loss(model, batch)[1]

    def backward(self, model: nn.Module, batch: Any) -> Tensor:
        """The loss, after its gradients are computed; the first time, checks that they belong to the model given.

        Raises:
            ValueError: the loss computes with another model than the one it is given.
        """
        loss = self.loss(model, batch)
        loss.backward()
        if self._no_leak is not None:
            self._no_leak()
            self._no_leak = None  # only now: whoever tries again after a refusal is refused again
            if all(p.grad is None for p in model.parameters()):
                name = "step" if self.step is not None else "loss_fn"
                raise ValueError(f"{name}: the loss depends on no parameter of the model that it is given")
        return loss

    def _outputs_and_loss(self, model: nn.Module, batch: Any) -> tuple[Any, Tensor]:
        outputs = None
        loss: Any
        if self.step is not None:
            loss = self.step(model, batch)
        elif isinstance(batch, Mapping):
            outputs = model(**batch)
            loss = (
                outputs["loss"]
                if isinstance(outputs, Mapping) and "loss" in outputs
                else getattr(outputs, "loss", None)
            )
            if loss is None:
                raise ValueError(
                    "batches are dicts, and model(**batch) has no loss: pass step=lambda model, batch: ..."
                )
        else:
            if not isinstance(batch, (tuple, list)) or len(batch) < 2:
                raise ValueError(
                    f"batches must be (inputs, targets), (a, b, ..., targets) or dicts, got {_kind(batch)}: "
                    "for any other kind pass step=lambda model, batch: ..."
                )
            assert self.loss_fn is not None
            *inputs, targets = batch
            outputs = model(*inputs)
            loss = self.loss_fn(outputs, targets)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            what = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise TypeError(f"{'step' if self.step is not None else 'loss_fn'} must return a scalar tensor, got {what}")
        return outputs, loss

    def evaluate(self, model: nn.Module) -> tuple[float, float | None]:
        """The loss on held-out data, and the metric: in eval mode, without gradients, drawing no random numbers.

        Returns:
            (nan, None) where there are no such data; the metric is None without one. Means over examples.
        """
        if self.val is None:
            return float("nan"), None
        modes = [(module, module.training) for module in model.modules()]
        before = RandomState.now(generators_of(self.val))
        try:
            seed_everything(0, generators_of(self.val))  # whatever is drawn is the same at every evaluation
            model.eval()
            with torch.set_grad_enabled(self._evaluates_with_gradients):
                return self._measure(model)
        except RuntimeError as error:
            # A loss with derivatives inside, as of a differential equation, needs the graph: with gradients on, then.
            if self._evaluates_with_gradients or "require grad" not in str(error):
                raise
            self._evaluates_with_gradients = True
            return self.evaluate(model)
        finally:
            for module, training in modes:
                module.training = training
            before.restore()

    def evaluate_with(self, model: nn.Module, optimizers: Iterable[Any]) -> tuple[float, float | None]:
        """The same for a model in training: optimizers with eval() and train(), such as schedule-free ones, switch."""
        switching = [o for o in optimizers if hasattr(o, "eval") and hasattr(o, "train")]
        for optimizer in switching:
            optimizer.eval()
        try:
            return self.evaluate(model)
        finally:
            for optimizer in switching:
                optimizer.train()

    def _measure(self, model: nn.Module) -> tuple[float, float | None]:
        if callable(self.val) and not _iterable(self.val):
            loss = float(self.val(model))
            return loss, None if self.metric is None else float(self.metric(model, None))
        loss = metric = 0.0
        total = 0
        for batch in self._held_out_batches():
            size = size_of(batch) or 1
            outputs, value = self._outputs_and_loss(model, batch)
            loss += value.item() * size
            total += size
            if self.metric is not None:
                if self.step is not None:
                    metric += float(self.metric(model, batch)) * size
                else:
                    targets = batch if isinstance(batch, Mapping) else batch[-1]
                    metric += float(self.metric(outputs, targets)) * size
        if not total:
            raise ValueError("val: it has no batch")
        return loss / total, None if self.metric is None else metric / total

    def _held_out_batches(self) -> Iterator[Any]:
        """The batches of `val`, loaded once if they fit into memory."""
        if self._held_out is None:
            kept: list[Any] | None = []
            size = 0
            for batch in self.val:  # type: ignore[union-attr]  # not a function here
                batch = moved(batch, self.device)
                size += sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(batch))
                if kept is not None and size <= CACHE_BYTES:
                    kept.append(map_tensors(batch, torch.clone))
                else:
                    kept = None
                yield batch
            self._held_out = kept
        else:
            yield from self._held_out

    def start(self, seed: int) -> float:
        """The loss on held-out data before any training, measured once per seed; nan without such data."""
        if seed not in self._starts:
            self._starts[seed] = self.evaluate(self.new_model(seed))[0]
        return self._starts[seed]

    def fingerprint(self) -> str:
        """What tells this problem from another: a digest of the initial weights and of the first batch."""
        digest = hashlib.sha256()
        tensors = [*self.new_model(0).state_dict().values(), *tensors_of(self.stream(0).batch(0))]
        for tensor in tensors:
            if isinstance(tensor, Tensor):
                digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
                dense = tensor.detach().cpu()
                dense = dense.to_dense() if dense.layout is not torch.strided else dense
                digest.update(dense.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]


def _check(model: Any, loader: Any, loss_fn: Any, step: Any, val: Any, metric: Any) -> None:
    """Refuse what cannot work, before anything is run."""
    if not isinstance(model, nn.Module) and not callable(model):
        raise TypeError(f"model must be a torch.nn.Module or a function that makes one, got {type(model).__name__}")
    for name, function in (("loss_fn", loss_fn), ("step", step), ("metric", metric)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be a function, got {type(function).__name__}")
    if loss_fn is not None and step is not None:
        raise ValueError("loss_fn and step: give one of them, since step(model, batch) computes the loss itself")
    for name, batches in (("loader", loader), ("val", val)):
        if batches is None or (name == "val" and callable(batches) and not _iterable(batches)):
            continue
        if not _iterable(batches):
            kind = "None or a function" if name == "val" else "None"
            raise TypeError(f"{name} must be batches that can be iterated, or {kind}; got {type(batches).__name__}")
        if iter_is_self(batches):
            raise TypeError(
                f"{name} is an iterator ({type(batches).__name__}), which can be used once; pass what makes it: "
                "a DataLoader, or a list of batches"
            )
    if loader is None and step is None:
        raise ValueError(
            "loader is None, so the loss cannot be computed from batches: pass step=lambda model, batch: ..."
        )
    if metric is not None and val is None:
        raise ValueError("metric is measured on held-out data: pass val, too")
    if isinstance(model, nn.Module) and any(nn.parameter.is_lazy(p) for p in model.parameters()):
        raise ValueError("model has parameters without a shape yet: run one batch through it first")


def iter_is_self(batches: Any) -> bool:
    """Whether something is an iterator, gone after one pass."""
    return hasattr(batches, "__next__")


def _iterable(value: Any) -> bool:
    return hasattr(value, "__iter__") or hasattr(value, "__getitem__")


def _kind(batch: Any) -> str:
    return f"a {type(batch).__name__}" + (f" of length {len(batch)}" if isinstance(batch, (tuple, list)) else "")


def _copy(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise ValueError(
            f"model: it cannot be copied ({type(error).__name__}: {error}); "
            "pass a function of no arguments that makes it, for example model=lambda: Net()"
        ) from error
