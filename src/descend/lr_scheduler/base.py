"""What every scheduler is: torch's LRScheduler, for subclasses that give `get_lr`, with a state that loads anywhere.

The schedulers of this package say their rates as closed forms instead: see closed.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, ClassVar

from torch.optim import Optimizer
from torch.optim import lr_scheduler as torch_schedulers

from . import order, rates
from .rates import Rate

EPOCH_DEPRECATION_WARNING: str = torch_schedulers.EPOCH_DEPRECATION_WARNING


def check_optimizer(optimizer: object) -> None:
    """Raise torch's TypeError for what is not an optimizer of descend or of torch.optim."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


class LRScheduler(torch_schedulers.LRScheduler):
    r"""Base of all learning rate schedulers. Subclasses give `get_lr`, as those of torch's class do.

    Args:
        optimizer: of descend or of torch.optim.
        last_epoch: -1 for a new run; the last epoch seen where a run goes on without a `state_dict`.

    Raises:
        TypeError: `optimizer` is not one.
        KeyError: `last_epoch` is not -1, and a group has no "initial_lr".

    Example:
        >>> import torch
        >>> import descend as optim
        >>> class Reciprocal(optim.lr_scheduler.LRScheduler):
        ...     def get_lr(self):
        ...         return [base / (1 + self.last_epoch) for base in self.base_lrs]
        >>> optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> scheduler = Reciprocal(optimizer)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.05]
    """

    optimizer: Optimizer
    base_lrs: list[Rate]
    _last_lr: list[Rate]

    _settings: ClassVar[tuple[str, ...]] = ()  # attributes that arguments of the constructor went into
    _transient: ClassVar[frozenset[str]] = frozenset({"optimizer"})  # attributes that are not state

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        if not isinstance(last_epoch, int) or last_epoch < -1:
            raise ValueError(f"Invalid last_epoch: {last_epoch} (last_epoch must be an integer >= -1)")
        self.optimizer = optimizer
        rates.initial(optimizer, last_epoch)
        if not hasattr(self, "base_lrs"):  # subclasses whose arguments say them have set them
            self.base_lrs = rates.of_groups(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        order.watch(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        """Start: epoch 0, or the one after `last_epoch`, whose rates are written."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch and write its rates. To be called after the optimizer's step.

        Args:
            epoch: deprecated, with torch's warning: the epoch to go to instead of the next one.
        """
        self._step(epoch)

    def _step(self, epoch: int | None) -> None:
        """A step with everything that can come with it."""
        if self._step_count == 1:
            order.warn_if_early(self.optimizer, stacklevel=3)
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=3)
        self._step_count += 1  # before the update: `get_lr` may ask for it
        try:
            self._update_lr(epoch)
        except BaseException:
            self._step_count -= 1
            raise

    def _update_lr(self, epoch: int | None = None) -> None:
        """Write the rates of the next epoch, or of the given one, as `get_lr` says them."""
        self._take_in_new_groups()
        before, self.last_epoch = self.last_epoch, self.last_epoch + 1 if epoch is None else epoch
        self._get_lr_called_within_step = True
        try:
            closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
            values = (closed or self.get_lr)()
        except BaseException:
            self.last_epoch = before
            raise
        finally:
            self._get_lr_called_within_step = False
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            rates.put(group, "lr", value)
        self._last_lr = rates.of_groups(self.optimizer, "lr")

    def _take_in_new_groups(self) -> None:
        """Follow `optimizer.add_param_group`: a new group joins with the rate that it was given."""
        groups = self.optimizer.param_groups
        for i in range(len(self.base_lrs), len(groups)):
            groups[i].setdefault("initial_lr", rates.copied(groups[i]["lr"]))
            self._new_group(i, groups[i])
            self.base_lrs.append(rates.copied(groups[i]["initial_lr"]))
            self._last_lr.append(rates.copied(groups[i]["lr"]))

    def _new_group(self, i: int, group: dict[str, Any]) -> None:
        """What a subclass keeps for each group, for group i that was added."""

    def get_last_lr(self) -> list[Rate]:
        """The rates that this scheduler has written last, one for each group."""
        return self._last_lr

    def get_lr(self) -> list[Rate]:
        """The rates of epoch `last_epoch`, one for each group; called by `step`. Subclasses give this.

        Ask `get_last_lr` for the rates in force.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The scheduler as plain containers, which torch's class of the same name loads too.

        Besides torch's entries it holds the optimizer's rates of now, so that they can be restored exactly.
        """
        state = self._state()
        state["_group_lrs"] = rates.of_groups(self.optimizer, "lr")
        return state

    def _state(self) -> dict[str, Any]:
        return {key: rates.copied(value) for key, value in self.__dict__.items() if key not in self._transient}

    def load_state_dict(self, state_dict: dict[str, Any], *, keep_settings: bool = False) -> None:
        """Continue from a checkpoint of this class, or of torch's of the same name; it is not modified.

        The optimizer's rates become those of the checkpoint, so it does not matter whether the optimizer's own
        checkpoint is loaded before or after.

        Args:
            state_dict: what `state_dict()` returned.
            keep_settings: keep what the constructor was given (a longer `total_steps`, another `gamma`), and take over
                only how far training has come. By default the checkpoint's settings hold, as in torch, and a
                UserWarning names those that differ. Load the optimizer first then: the rates written here count.
        """
        self._restore(self._load(state_dict, keep_settings))

    def _load(self, state_dict: dict[str, Any], keep_settings: bool) -> list[Rate] | None:
        """Take over a checkpoint; the groups' rates that it implies, or None to compute them from the settings."""
        state = {key: rates.copied(value) for key, value in state_dict.items()}
        group_lrs: list[Rate] | None = state.pop("_group_lrs", None)
        state.pop("optimizer", None)
        if keep_settings:
            for key in (*self._settings, "base_lrs"):
                state.pop(key, None)
        else:
            self._warn_of_other_settings(state)
        self.__dict__.update(state)
        if keep_settings and type(self)._follows_settings:
            return None
        return group_lrs if group_lrs is not None else self._last_lr

    _follows_settings: ClassVar[bool] = False  # rates can be computed from settings and epoch alone

    def _warn_of_other_settings(self, state: dict[str, Any]) -> None:
        ours = {key: self.__dict__[key] for key in self._settings if key in self.__dict__ and key in state}
        other = [_replaced(key, value, state[key]) for key, value in ours.items() if not _same(value, state[key])]
        if other:
            warnings.warn(
                f"{type(self).__name__}.load_state_dict: the checkpoint replaces {', '.join(other)}; "
                "pass keep_settings=True to keep what this scheduler was constructed with",
                UserWarning,
                stacklevel=4,
            )

    def _restore(self, values: Iterable[Rate] | None) -> None:
        """Write the rates of a checkpoint into the groups."""
        if values is not None:
            for group, value in zip(self.optimizer.param_groups, values, strict=False):
                rates.put(group, "lr", value)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_tensors"}  # versions are of this process


def _replaced(key: str, ours: Any, theirs: Any) -> str:
    text = f"{key.lstrip('_')} {ours!r} by {theirs!r}"
    return text if len(text) < 100 else key.lstrip("_")


def _same(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except (RuntimeError, ValueError, TypeError):  # Tensors or arrays of another shape
        return False


class _LRScheduler(LRScheduler):
    """Old name of `LRScheduler`, which torch keeps too."""
