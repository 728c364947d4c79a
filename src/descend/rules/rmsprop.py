"""RMSprop (Tieleman & Hinton 2012, lecture 6.5), centered: Graves 2013 (arXiv:1308.0850), torch's momentum."""

from typing import Any

from .ops import maximum, sqrt
from .rule import Buffer, Rule


def rmsprop(p, g, square_avg, momentum_buffer, grad_avg, *, lr, alpha, w, eps, momentum, zero):  # type: ignore[no-untyped-def]
    """v <- alpha v + (1-alpha) g^2;  p <- p - lr g / (sqrt(v) + eps).

    Momentum: b <- mu b + g / (sqrt(v) + eps), p <- p - lr b.  Centered: a <- a + (1-alpha)(g-a), v - a^2 in place of v.
    """
    square_avg = alpha * square_avg + w * g * g
    second = square_avg
    if grad_avg is not None:
        grad_avg = grad_avg + w * (g - grad_avg)
        second = maximum(square_avg - grad_avg * grad_avg, zero)  # rounding can take a small variance below zero
    step = g / (sqrt(second) + eps)
    if momentum_buffer is not None:
        momentum_buffer = momentum * momentum_buffer + step
        step = momentum_buffer
    return p - lr * step, square_avg, momentum_buffer, grad_avg


def scalars(t: int, *, lr: float, alpha: float, eps: float, momentum: float, centered: bool) -> dict[str, Any]:
    """w = 1 - alpha is rounded once, from float64."""
    return dict(
        lr=lr,
        alpha=alpha,
        w=1 - alpha,
        eps=eps,
        momentum=momentum if momentum else None,
        zero=0.0 if centered else None,
    )


RMSPROP = Rule(
    rmsprop,
    scalars,
    dict(square_avg=Buffer(signed=False), momentum_buffer=Buffer(when="momentum"), grad_avg=Buffer(when="centered")),
)
