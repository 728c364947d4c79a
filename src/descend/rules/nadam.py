"""NAdam: Adam with Nesterov momentum (Dozat 2016, ICLR workshop, Alg. 2, with its momentum schedule)."""

import struct

from .ops import sqrt
from .rule import Buffer, Rule


def nadam(p, g, exp_avg, exp_avg_sq, *, fresh, ahead, w1, beta2, w2, eps):  # type: ignore[no-untyped-def]
    """m <- m + (1-b1)(g-m);  v <- b2 v + (1-b2) g^2;  p <- p - lr c (a g + b m) / (sqrt(v) + c eps), c = sqrt(1-b2^t).

    a = (1-mu_t) / (1 - mu_1..mu_t), b = mu_t+1 / (1 - mu_1..mu_t+1), mu_t = b1 (1 - 0.96^(t momentum_decay) / 2).
    """
    exp_avg = exp_avg + w1 * (g - exp_avg)
    exp_avg_sq = beta2 * exp_avg_sq + w2 * g * g
    return p - (fresh * g + ahead * exp_avg) / (sqrt(exp_avg_sq) + eps), exp_avg, exp_avg_sq


def scalars(
    t: int, *, lr: float, betas: tuple[float, float], eps: float, momentum_decay: float, mu_product: float
) -> dict[str, float]:
    """The product of all mu so far is the one thing that does not follow from t: betas may change on the way."""
    beta1, beta2 = betas
    mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1))
    exact = product = mu_product * mu
    if isinstance(mu, float) and _single(mu_product) == mu_product:  # kept in float32, where torch multiplies, too
        product = _single(mu_product * _single(mu))
    c = (1 - beta2**t) ** 0.5
    return dict(
        fresh=lr * c * (1 - mu) / (1 - product),
        ahead=lr * c * mu_next / (1 - product * mu_next),
        w1=1 - beta1,
        beta2=beta2,
        w2=1 - beta2,
        eps=eps * c,
        mu_product=exact if t == 1 else product,  # a float64 state keeps all digits, which tells it apart from then on
    )


def _single(x: float) -> float:
    """Rounded to float32."""
    return float(struct.unpack("f", struct.pack("f", x))[0])


NADAM = Rule(nadam, scalars, dict(exp_avg=Buffer(), exp_avg_sq=Buffer(signed=False)), memory=dict(mu_product=1.0))
