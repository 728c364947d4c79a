"""More of the papers' algorithms in plain float64 Python: oracle.py's second volume, by the same rules.

No torch, no descend, no thought for speed; the papers' notation, element by element. Where torch departs from a paper
the docstring says so and the transcription follows torch, except for the two defects named in ASGD and Rprop. Numbers
that torch keeps between steps in float32 (ASGD's eta and mu, NAdam's product) are rounded as it does: float64 training
carries that rounding, too.

`lr` may be a list with one learning rate per step where an algorithm has to follow a changing one.
"""

import struct
from collections.abc import Sequence
from math import sqrt

from oracle import Floats, Run


def _f32(x: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def _seen(theta: float, g: float, weight_decay: float, maximize: bool) -> float:
    """The gradient that an algorithm sees: its sign, and the L2 penalty."""
    return (-g if maximize else g) + weight_decay * theta


def adadelta(
    start: Floats,
    gradients: Sequence[Floats],
    *,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Run:
    """Zeiler 2012, arXiv:1212.5701, Alg. 1: E[g^2], RMS[dx]/RMS[g], E[dx^2]; the learning rate is torch's."""
    n = len(start)
    x, mean_g2, mean_dx2, path = list(start), [0.0] * n, [0.0] * n, []
    for gradient in gradients:
        for i, g in enumerate(gradient):
            g = _seen(x[i], g, weight_decay, maximize)
            mean_g2[i] = rho * mean_g2[i] + (1 - rho) * g * g
            dx = -sqrt(mean_dx2[i] + eps) / sqrt(mean_g2[i] + eps) * g
            mean_dx2[i] = rho * mean_dx2[i] + (1 - rho) * dx * dx
            x[i] = x[i] + lr * dx
        path.append(list(x))
    return path, {"square_avg": mean_g2, "acc_delta": mean_dx2}


def adamax(
    start: Floats,
    gradients: Sequence[Floats],
    *,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Run:
    """Kingma & Ba 2015, arXiv:1412.6980, Alg. 2; torch adds eps to |g|, which the paper does without."""
    n, (beta1, beta2) = len(start), betas
    theta, m, u, path = list(start), [0.0] * n, [0.0] * n, []
    for t, gradient in enumerate(gradients, 1):
        for i, g in enumerate(gradient):
            g = _seen(theta[i], g, weight_decay, maximize)
            m[i] = beta1 * m[i] + (1 - beta1) * g
            u[i] = max(beta2 * u[i], abs(g) + eps)
            theta[i] = theta[i] - lr / (1 - beta1**t) * m[i] / u[i]
        path.append(list(theta))
    return path, {"exp_avg": m, "exp_inf": u}


def asgd(
    start: Floats,
    gradients: Sequence[Floats],
    *,
    lr: float | Sequence[float] = 1e-2,
    lambd: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Run:
    """Polyak & Juditsky 1992, schedule of Xu 2011 (arXiv:1107.2490): eta_t = eta_0 (1 + lambda eta_0 t)^-alpha, t >= 0.

    torch computes eta of the next step with the learning rate of this one; here every step goes by its own.
    """
    rates = list(lr) if isinstance(lr, Sequence) else [lr] * len(gradients)
    theta, average, path = list(start), [0.0] * len(start), []
    eta = mu = 0.0
    for t, gradient in enumerate(gradients):
        eta, mu = _f32(rates[t] / (1 + lambd * rates[t] * t) ** alpha), _f32(1 / max(1, t - t0))
        for i, g in enumerate(gradient):
            g = _seen(theta[i], g, weight_decay, maximize)
            theta[i] = theta[i] * (1 - lambd * eta) - eta * g
            average[i] = theta[i] if mu == 1 else average[i] + mu * (theta[i] - average[i])
        path.append(list(theta))
    t, rate = len(gradients), rates[-1]
    eta, mu = rate / (1 + lambd * rate * t) ** alpha, 1 / max(1, t - t0)
    return path, {"eta": [_f32(eta)], "mu": [_f32(mu)], "ax": average}


def nadam(
    start: Floats,
    gradients: Sequence[Floats],
    *,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Run:
    """Dozat 2016, ICLR workshop, Alg. 2 ("Nadam"), with mu_t = beta1 (1 - 0.5 * 0.96^(t psi))."""
    n, (beta1, beta2) = len(start), betas
    theta, m, v, path, product = list(start), [0.0] * n, [0.0] * n, [], 1.0
    for t, gradient in enumerate(gradients, 1):
        mu_now = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
        product = _f32(product * _f32(mu_now))
        for i, g in enumerate(gradient):
            if decoupled_weight_decay:
                theta[i] = theta[i] - lr * weight_decay * theta[i]
                g = _seen(theta[i], g, 0.0, maximize)
            else:
                g = _seen(theta[i], g, weight_decay, maximize)
            g_hat = g / (1 - product)
            m[i] = beta1 * m[i] + (1 - beta1) * g
            m_hat = m[i] / (1 - product * mu_next)
            v[i] = beta2 * v[i] + (1 - beta2) * g * g
            v_hat = v[i] / (1 - beta2**t)
            m_bar = (1 - mu_now) * g_hat + mu_next * m_hat
            theta[i] = theta[i] - lr * m_bar / (sqrt(v_hat) + eps)
        path.append(list(theta))
    return path, {"mu_product": [product], "exp_avg": m, "exp_avg_sq": v}


def radam(
    start: Floats,
    gradients: Sequence[Floats],
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Run:
    """Liu et al. 2020, arXiv:1908.03265, Alg. 2; torch rectifies where rho_t > 5 (paper: 4) and adds eps to sqrt(v)."""
    n, (beta1, beta2) = len(start), betas
    theta, m, v, path = list(start), [0.0] * n, [0.0] * n, []
    rho_inf = 2 / (1 - beta2) - 1
    for t, gradient in enumerate(gradients, 1):
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        for i, g in enumerate(gradient):
            if decoupled_weight_decay:
                theta[i] = theta[i] - lr * weight_decay * theta[i]
                g = _seen(theta[i], g, 0.0, maximize)
            else:
                g = _seen(theta[i], g, weight_decay, maximize)
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g * g
            m_hat = m[i] / (1 - beta1**t)
            if rho > 5:
                adaptive = sqrt(1 - beta2**t) / (sqrt(v[i]) + eps)
                r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
                theta[i] = theta[i] - lr * m_hat * r * adaptive
            else:
                theta[i] = theta[i] - lr * m_hat
        path.append(list(theta))
    return path, {"exp_avg": m, "exp_avg_sq": v}


def rprop(
    start: Floats,
    gradients: Sequence[Floats],
    *,
    lr: float | Sequence[float] = 1e-2,
    etas: tuple[float, float] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50.0),
    maximize: bool = False,
) -> Run:
    """Igel & Huesken 2000, iRprop-: no backtracking, g <- 0 at a change of sign; lr is the first step size.

    torch reads the learning rate once; here each step is scaled by what has become of it.
    """
    rates = list(lr) if isinstance(lr, Sequence) else [lr] * len(gradients)
    n, (eta_minus, eta_plus), (least, most) = len(start), etas, step_sizes
    w, delta, before, path = list(start), [rates[0]] * n, [0.0] * n, []
    for gradient, rate in zip(gradients, rates, strict=True):
        for i, g in enumerate(gradient):
            g = -g if maximize else g
            factor = 1.0
            if before[i] < 0 < g or g < 0 < before[i]:
                factor, g = eta_minus, 0.0
            elif before[i] < 0 > g or g > 0 < before[i]:
                factor = eta_plus
            delta[i] = min(max(delta[i] * factor, least), most)
            if g > 0:
                w[i] = w[i] - rate / rates[0] * delta[i]
            elif g < 0:
                w[i] = w[i] + rate / rates[0] * delta[i]
            before[i] = g
        path.append(list(w))
    return path, {"prev": before, "step_size": delta}
