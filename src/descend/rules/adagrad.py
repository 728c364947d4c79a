"""Adagrad (Duchi, Hazan & Singer 2011, JMLR 12, diagonal form), with torch's lr_decay."""

from .ops import sqrt
from .rule import Buffer, Rule


def adagrad(p, g, sum, *, clr, eps):  # type: ignore[no-untyped-def]
    """s <- s + g^2;  p <- p - lr / (1 + (t-1) lr_decay) g / (sqrt(s) + eps)."""
    sum = sum + g * g
    return p - clr * g / (sqrt(sum) + eps), sum


def scalars(t: int, *, lr: float, lr_decay: float, eps: float) -> dict[str, float]:
    """clr: the decayed learning rate."""
    return dict(clr=lr / (1 + (t - 1) * lr_decay), eps=eps)


ADAGRAD = Rule(adagrad, scalars, dict(sum=Buffer(signed=False, init="initial_accumulator_value")), sparse=("sum",))
