"""The tensors of several trials in stacks [copies, ...], and one forward and backward pass for all of them.

The backward pass is autograd's own, over the batched operations: vmap of grad_and_value took 0.3 ms more a step.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..isolation import RandomState
from ..problem import Problem
from ..trial import Trial


class _Loss(nn.Module):
    """The loss of a problem as a module, so that functional_call puts the stacks into the model inside it."""

    def __init__(self, problem: Problem, model: nn.Module) -> None:
        super().__init__()
        self.problem, self.model = problem, model

    def forward(self, batch: Any) -> Tensor:
        return self.problem.loss(self.model, batch).reshape(())


class Stack:
    """The trials' tensors in stacks, until `release`.

    Args:
        trials: of one problem and seed; their parameters and buffers become views.
    """

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.trials = list(trials)
        first = self.trials[0]
        self._loss = _Loss(first.problem, copy.deepcopy(first.model))
        self._loss.model.zero_grad()
        tensors = [members(trial.model) for trial in self.trials]
        self._own = [[tensor.data for tensor in member.values()] for member in tensors]
        self._tensors = [list(member.values()) for member in tensors]
        self._call: dict[str, Tensor] = {}
        self._leaves: list[Tensor] = []
        self._parameters: list[list[Tensor]] = []  # for each leaf the copies' own parameters
        self._buffers: list[Tensor] = []
        for name, *copies in zip(tensors[0], *self._tensors, strict=True):
            stack = torch.stack([tensor.detach() for tensor in copies])
            if isinstance(copies[0], nn.Parameter) and copies[0].requires_grad:
                leaf = stack.detach().requires_grad_()
                self._leaves.append(leaf)
                self._parameters.append(copies)
                self._call[f"model.{name}"] = leaf
            else:
                self._buffers.append(stack)
                self._call[f"model.{name}"] = stack
            for tensor, view in zip(copies, stack.unbind(0), strict=True):
                tensor.data = view

    def gradients(self, batch: Any) -> list[float]:
        """The losses of all copies; their parameters have gradients afterwards, or None where the loop gives none.

        Raises:
            Exception: vmap, the model or the loss cannot do it; buffers and random numbers are then as before.
        """
        before, buffers = RandomState.now(), [buffer.clone() for buffer in self._buffers]

        def one(tensors: dict[str, Tensor]) -> Tensor:
            return torch.func.functional_call(self._loss, tensors, (batch,))

        try:
            # Every trial of a seed draws the same random numbers when it runs alone, so all copies share them here.
            losses = torch.func.vmap(one, randomness="same")(self._call)
            gradients = torch.autograd.grad(losses.sum(), self._leaves, allow_unused=True)
            if all(gradient is None for gradient in gradients):
                raise ValueError("the loss depends on no parameter of the model that it is given")
        except BaseException:  # Ctrl-C, too
            before.restore()
            for buffer, value in zip(self._buffers, buffers, strict=True):
                buffer.copy_(value)
            raise
        for gradient, parameters in zip(gradients, self._parameters, strict=True):
            # Laid out as the parameters are, as in the loop: fused kernels want it so.
            parts = [None] * len(parameters) if gradient is None else gradient.contiguous().unbind(0)
            for parameter, part in zip(parameters, parts, strict=True):
                parameter.grad = part
        return losses.tolist()

    def release(self) -> None:
        """Give every trial its tensors back, with the values they have now."""
        with torch.no_grad():
            for tensors, own in zip(self._tensors, self._own, strict=True):
                for tensor, storage in zip(tensors, own, strict=True):
                    storage.copy_(tensor.data)
                    tensor.data = storage
                    tensor.grad = None


def members(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, shared ones once."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
