"""RAdam: Adam without the second moment as long as that is uncertain (Liu et al. 2020, arXiv:1908.03265, Alg. 2)."""

from .ops import sqrt
from .rule import Buffer, Rule

TRACTABLE = 5.0  # length of the approximated average from which torch rectifies; the paper says more than 4


def radam(p, g, exp_avg, exp_avg_sq, *, step_size, w1, beta2, w2, root, eps):  # type: ignore[no-untyped-def]
    """m <- m + (1-b1)(g-m);  v <- b2 v + (1-b2) g^2;  p <- p - lr r c/(1-b1^t) m / (sqrt(v) + eps), c = sqrt(1-b2^t).

    r = sqrt((rho-4)(rho-2) R / ((R-4)(R-2) rho)), R = 2/(1-b2) - 1, rho = R - 2 t b2^t / (1-b2^t).
    While rho <= 5 (the first steps):  p <- p - lr / (1-b1^t) m.
    """
    exp_avg = exp_avg + w1 * (g - exp_avg)
    exp_avg_sq = beta2 * exp_avg_sq + w2 * g * g
    return p - step_size * exp_avg / (root * sqrt(exp_avg_sq) + eps), exp_avg, exp_avg_sq


def scalars(t: int, *, lr: float, betas: tuple[float, float], eps: float) -> dict[str, float]:
    """Whether a step is rectified is a choice of scalars: without, the divisor is 0 sqrt(v) + 1."""
    beta1, beta2 = betas
    correction2 = 1 - beta2**t
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * t * beta2**t / correction2
    step_size, root, added = lr / (1 - beta1**t), 0.0, 1.0
    if length > TRACTABLE:
        variance = (longest - 4) * (longest - 2) * length
        step_size *= ((length - 4) * (length - 2) * longest / variance * correction2) ** 0.5
        root, added = 1.0, eps
    return dict(step_size=step_size, w1=1 - beta1, beta2=beta2, w2=1 - beta2, root=root, eps=added)


RADAM = Rule(radam, scalars, dict(exp_avg=Buffer(), exp_avg_sq=Buffer(signed=False)))
