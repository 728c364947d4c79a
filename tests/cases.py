"""The one table of cases that drives every optimizer test, and the few helpers that all test files share.

A new elementwise optimizer adds its rows to `CASES`; every test file then covers it: rule, engines, torch, shell,
checkpoints, errors.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import oracle
import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

import descend
from descend import rules

ENGINES = ("eager", "cpu")
REAL = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
DTYPES = (*REAL, torch.complex64, torch.complex128)
STEPS = 20


@dataclass(frozen=True)
class Case:
    """One configuration of one optimizer, with everything it is held against.

    Attributes:
        name: test id.
        cls: our class; torch_cls: torch's class of the same name.
        kwargs: constructor arguments besides `params`.
        oracle: the plain Python transcription in oracle.py.
        rule: the rule that the class runs.
        state_keys: keys of `optimizer.state[p]` after a step, in torch's order.
    """

    name: str
    cls: type[descend.Optimizer]
    torch_cls: type[torch.optim.Optimizer]
    oracle: Callable[..., oracle.Run]
    rule: descend.Rule
    state_keys: tuple[str, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    @property
    def hyper(self) -> dict[str, Any]:
        """Every constructor option with torch's default where the case sets none."""
        options = list(inspect.signature(self.torch_cls).parameters.values())[1:]
        return {p.name: p.default for p in options} | dict(self.kwargs)

    def reference(self, start: list[float], gradients: Sequence[list[float]]) -> oracle.Run:
        """The oracle's run with these hyperparameters."""
        hints = ("foreach", "fused", "capturable", "differentiable")
        return self.oracle(start, gradients, **{k: v for k, v in self.hyper.items() if k not in hints})

    @property
    def buffers(self) -> tuple[str, ...]:
        """State keys of tensors shaped like the parameter."""
        return tuple(key for key in self.state_keys if key != "step")

    @property
    def sparse(self) -> bool:
        """Whether torch takes sparse gradients here."""
        return self.torch_cls in (torch.optim.SGD, torch.optim.Adagrad) and not self.hyper["weight_decay"]

    def ours(self, params: Iterable[Any], **extra: Any) -> Any:
        return self.cls(params, **{**self.kwargs, **extra})

    def theirs(self, params: Iterable[Any], **extra: Any) -> Any:
        return self.torch_cls(params, **{**self.kwargs, **extra})


_FAMILY = {
    "SGD": (oracle.sgd, rules.SGD),
    "Adagrad": (oracle.adagrad, rules.ADAGRAD),
    "RMSprop": (oracle.rmsprop, rules.RMSPROP),
    "Adam": (oracle.adam, rules.ADAM),
    "AdamW": (oracle.adamw, rules.ADAM),
}
_SUM = ("step", "sum")
_RMS = ("step", "square_avg")
_ADAM = ("step", "exp_avg", "exp_avg_sq")
_AMS = (*_ADAM, "max_exp_avg_sq")


def _case(cls: str, variant: str, state_keys: tuple[str, ...], **kwargs: Any) -> Case:
    transcription, rule = _FAMILY[cls]
    return Case(
        f"{cls}-{variant}", getattr(descend, cls), getattr(torch.optim, cls), transcription, rule, state_keys, kwargs
    )


CASES = (
    _case("SGD", "plain", (), lr=0.1),
    _case("SGD", "momentum", ("momentum_buffer",), lr=0.05, momentum=0.9),
    _case("SGD", "dampening", ("momentum_buffer",), lr=0.05, momentum=0.9, dampening=0.3),
    _case("SGD", "nesterov", ("momentum_buffer",), lr=0.05, momentum=0.8, nesterov=True),
    _case("SGD", "weight_decay", (), lr=0.1, weight_decay=0.1),
    _case("SGD", "maximize", ("momentum_buffer",), lr=0.05, momentum=0.5, weight_decay=0.01, maximize=True),
    _case("Adagrad", "plain", _SUM, lr=0.05),
    _case("Adagrad", "lr_decay", _SUM, lr=0.1, lr_decay=0.1),
    _case("Adagrad", "initial_accumulator_value", _SUM, lr=0.1, initial_accumulator_value=0.5),
    _case("Adagrad", "weight_decay", _SUM, lr=0.05, weight_decay=0.1),
    _case("Adagrad", "maximize", _SUM, lr=0.05, weight_decay=0.1, eps=1e-6, maximize=True),
    _case("RMSprop", "plain", _RMS, lr=0.01),
    _case("RMSprop", "momentum", (*_RMS, "momentum_buffer"), lr=0.003, momentum=0.9),
    _case("RMSprop", "centered", (*_RMS, "grad_avg"), lr=0.01, centered=True),
    _case(
        "RMSprop", "centered-momentum", (*_RMS, "momentum_buffer", "grad_avg"), lr=0.003, centered=True, momentum=0.5
    ),
    _case("RMSprop", "weight_decay", _RMS, lr=0.01, weight_decay=0.1, alpha=0.9, eps=1e-6),
    _case("RMSprop", "maximize", _RMS, lr=0.01, weight_decay=0.01, maximize=True),
    _case("Adam", "plain", _ADAM, lr=0.01),
    _case("Adam", "amsgrad", _AMS, lr=0.01, betas=(0.9, 0.9), amsgrad=True),
    _case("Adam", "weight_decay", _ADAM, lr=0.01, weight_decay=0.1),
    _case("Adam", "amsgrad-decay-maximize", _AMS, lr=0.01, amsgrad=True, weight_decay=0.05, maximize=True),
    _case("Adam", "decoupled", _ADAM, lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
    _case("Adam", "odd", _ADAM, lr=0.03, betas=(0.37, 0.71), eps=1e-4),
    _case("AdamW", "default", _ADAM),
    _case("AdamW", "amsgrad", _AMS, lr=0.01, weight_decay=0.1, amsgrad=True),
    _case("AdamW", "maximize", _ADAM, lr=0.01, weight_decay=0.1, maximize=True),
)

# One row per class with the most state: for tests of the shell, which are the same whatever the mathematics.
RICHEST = tuple(c for c in CASES if c.name in {
    "SGD-maximize", "Adagrad-maximize", "RMSprop-centered-momentum", "Adam-amsgrad-decay-maximize", "AdamW-amsgrad",
})  # fmt: skip

every_case = pytest.mark.parametrize("case", CASES, ids=str)
richest_cases = pytest.mark.parametrize("case", RICHEST, ids=str)
every_engine = pytest.mark.parametrize("engine", ENGINES)


def random(shape: Sequence[int] | int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Standard normal values, drawn in float64 so that every dtype gets the same numbers, rounded."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    generator = torch.Generator().manual_seed(seed)
    draw = torch.complex128 if dtype.is_complex else torch.float64
    return torch.randn(shape, dtype=draw, generator=generator).to(dtype)


def parameters(
    shapes: Sequence[Sequence[int] | int], dtype: torch.dtype = torch.float32, seed: int = 0
) -> list[Parameter]:
    return [Parameter(random(shape, dtype, seed + i)) for i, shape in enumerate(shapes)]


def named(params: Sequence[Any]) -> list[tuple[str, Any]]:
    """With the names p0, p1, ..., by which explain() then lists them."""
    return [(f"p{i}", p) for i, p in enumerate(params)]


def copies(params: Iterable[Tensor]) -> list[Parameter]:
    """The same values and strides in memory of their own."""
    return [Parameter(p.detach().clone(memory_format=torch.preserve_format)) for p in params]


def set_gradients(params: Sequence[Tensor], step: int, missing: Callable[[int, int], bool] | None = None) -> None:
    """The gradients of a step: the same for every list of parameters with these shapes, on a scale of 1 to 1/4."""
    for i, p in enumerate(params):
        if missing is not None and missing(step, i):
            p.grad = None
        else:
            p.grad = random(p.shape, p.dtype, seed=1000 * (step + 1) + i) / (1 + step % 4)


def train(optimizer: Any, params: Sequence[Tensor], steps: int | range = STEPS, missing: Any = None) -> None:
    """Step over the gradients of `set_gradients`; a range continues an earlier training."""
    for step in range(steps) if isinstance(steps, int) else steps:
        set_gradients(params, step, missing)
        optimizer.step()


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal dtype, shape and bits; a NaN equals a NaN: its payload depends on the order of operands."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    a, b = (
        torch.view_as_real(x.detach().resolve_conj()) if x.is_complex() else x.detach().resolve_neg() for x in (a, b)
    )
    if not a.is_floating_point():
        return torch.equal(a, b)
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[a.element_size()]
    both_nan = a.isnan() & b.isnan()
    return bool(((a.contiguous().view(bits) == b.contiguous().view(bits)) | both_nan.contiguous()).all())


def assert_same_bits(ours: Iterable[Tensor], theirs: Iterable[Tensor], what: str = "") -> None:
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if not same_bits(a, b):
            worst = (a.detach().to(torch.complex128) - b.detach().to(torch.complex128)).abs().max().item()
            raise AssertionError(
                f"{what} tensor {i} {tuple(a.shape)} {a.dtype}/{b.dtype}: largest difference {worst:.3e}"
            )


def assert_close(ours: Iterable[Tensor], theirs: Iterable[Tensor], tolerance: float, what: str = "") -> None:
    """|a - b| <= tolerance * max(|b|, 1): absolute near zero, where values are differences of larger ones."""
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        a, b = (x.detach().resolve_conj().resolve_neg() for x in (a, b))
        assert a.shape == b.shape
        assert a.isfinite().all(), f"{what} tensor {i}: not finite"
        error = ((a - b).abs() / b.abs().clamp(min=1)).max().item() if a.numel() else 0.0
        assert error <= tolerance, f"{what} tensor {i} {tuple(a.shape)} {a.dtype}: error {error:.3e} > {tolerance:.0e}"


def buffers(optimizer: Any, params: Iterable[Tensor]) -> list[Tensor]:
    """Every state tensor of the parameters, keys sorted."""
    return [value for p in params for _, value in sorted(optimizer.state.get(p, {}).items())]


def ran_on(optimizer: Any) -> dict[str, set[str]]:
    """Engine -> names of the parameters that run there, as explain() says."""
    return {engine: {name for name, _ in rows} for engine, rows in optimizer.explain().engines.items() if rows}


def snapshot(optimizer: Any) -> tuple[list[Tensor], list[dict[Any, Any]], list[dict[str, Any]]]:
    """A copy of everything that a step may change: parameters, state by parameter, group options."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    state = [
        {k: v.clone() if isinstance(v, Tensor) else v for k, v in optimizer.state.get(p, {}).items()} for p in params
    ]
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    return [p.detach().clone() for p in params], state, groups


def assert_unchanged(optimizer: Any, before: tuple[list[Tensor], list[dict[Any, Any]], list[dict[str, Any]]]) -> None:
    """Parameters, state keys, buffers and step counts are bit for bit what they were."""
    params, state, _ = snapshot(optimizer)
    assert_same_bits(params, before[0], "parameter")
    assert [list(s) for s in state] == [list(s) for s in before[1]], "state keys"
    for now, was in zip(state, before[1], strict=True):
        assert_same_bits(now.values(), was.values(), f"state {list(was)}")
