"""Adamax (Kingma & Ba 2015, arXiv:1412.6980, Alg. 2); eps, as in torch, keeps the norm away from 0."""

from .ops import abs, maximum
from .rule import Buffer, Rule


def adamax(p, g, exp_avg, exp_inf, *, step_size, w1, beta2, eps):  # type: ignore[no-untyped-def]
    """m <- m + (1-b1)(g-m);  u <- max(b2 u, |g| + eps);  p <- p - lr / (1-b1^t) m / u."""
    exp_avg = exp_avg + w1 * (g - exp_avg)
    exp_inf = maximum(beta2 * exp_inf, abs(g) + eps)
    return p - step_size * exp_avg / exp_inf, exp_avg, exp_inf


def scalars(t: int, *, lr: float, betas: tuple[float, float], eps: float) -> dict[str, float]:
    """Only the mean needs a correction: the norm does not start from an average with 0."""
    beta1, beta2 = betas
    return dict(step_size=lr / (1 - beta1**t), w1=1 - beta1, beta2=beta2, eps=eps)


ADAMAX = Rule(adamax, scalars, dict(exp_avg=Buffer(), exp_inf=Buffer(signed=False)))
