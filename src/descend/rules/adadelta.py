"""Adadelta (Zeiler 2012, arXiv:1212.5701, Alg. 1), with torch's learning rate."""

from .ops import sqrt
from .rule import Buffer, Rule


def adadelta(p, g, square_avg, acc_delta, *, lr, rho, w, eps):  # type: ignore[no-untyped-def]
    """v <- rho v + (1-rho) g^2;  d = sqrt((u + eps) / (v + eps)) g;  u <- rho u + (1-rho) d^2;  p <- p - lr d.

    One root of the quotient in place of the quotient of two roots.
    """
    square_avg = rho * square_avg + w * g * g
    delta = sqrt((acc_delta + eps) / (square_avg + eps)) * g
    return p - lr * delta, square_avg, rho * acc_delta + w * delta * delta


def scalars(t: int, *, lr: float, rho: float, eps: float) -> dict[str, float]:
    """w = 1 - rho is rounded once, from float64."""
    return dict(lr=lr, rho=rho, w=1 - rho, eps=eps)


ADADELTA = Rule(adadelta, scalars, dict(square_avg=Buffer(signed=False), acc_delta=Buffer(signed=False)))
