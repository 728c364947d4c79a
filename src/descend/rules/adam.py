"""Adam (Kingma & Ba 2015, arXiv:1412.6980, Alg. 1) and AMSGrad (Reddi et al. 2018; as in torch, max before correction).

AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) is the same rule: decoupled weight decay is every rule's prologue.
"""

from .ops import maximum, sqrt
from .rule import Buffer, Rule


def adam(p, g, exp_avg, exp_avg_sq, max_exp_avg_sq, *, step_size, w1, beta2, w2, eps):  # type: ignore[no-untyped-def]
    """m <- m + (1-b1)(g-m);  v <- b2 v + (1-b2) g^2;  p <- p - lr c/(1-b1^t) m / (sqrt(v) + c eps), c = sqrt(1-b2^t).

    amsgrad: the largest v so far in place of v. This is the order of section 2 of the paper, with the same result as
    dividing both moments by their corrections, and one division an element less.
    """
    exp_avg = exp_avg + w1 * (g - exp_avg)
    exp_avg_sq = beta2 * exp_avg_sq + w2 * g * g
    second = exp_avg_sq
    if max_exp_avg_sq is not None:
        max_exp_avg_sq = maximum(max_exp_avg_sq, exp_avg_sq)
        second = max_exp_avg_sq
    p = p - step_size * exp_avg / (sqrt(second) + eps)
    return p, exp_avg, exp_avg_sq, max_exp_avg_sq


def scalars(t: int, *, lr: float, betas: tuple[float, float], eps: float) -> dict[str, float]:
    """Bias corrections and complements in float64, rounded once by the engine (`** 0.5`: a Tensor keeps its graph)."""
    beta1, beta2 = betas
    c = (1 - beta2**t) ** 0.5
    return dict(step_size=lr * c / (1 - beta1**t), w1=1 - beta1, beta2=beta2, w2=1 - beta2, eps=eps * c)


ADAM = Rule(
    adam,
    scalars,
    dict(exp_avg=Buffer(), exp_avg_sq=Buffer(signed=False), max_exp_avg_sq=Buffer(when="amsgrad", signed=False)),
)
