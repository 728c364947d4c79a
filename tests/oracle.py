"""The papers' algorithms, transcribed in plain float64 Python over lists of floats.

The reference that everything else is held against. It imports neither torch nor descend, shares no code with them and
is written in the papers' own notation (theta, m, v, hats), element by element, with no thought for speed. Where torch
departs from a paper the docstring says so and the transcription follows torch, because descend does.

Every function takes the start `theta`, one list of floats per step of `gradients`, and the hyperparameters by torch's
names, and returns the parameters after each step and the buffers after the last one, by torch's state names. A complex
parameter is passed as the list of its real and imaginary parts, which is how torch and descend treat it.
"""

from collections.abc import Sequence
from math import sqrt

Floats = list[float]
Run = tuple[list[Floats], dict[str, Floats]]


def _prologue(
    theta: Floats, i: int, g: float, lr: float, weight_decay: float, maximize: bool, decoupled: bool = False
) -> float:
    """The gradient that an algorithm sees: its sign, and the decay as L2 penalty, or decoupled on theta itself."""
    if maximize:
        g = -g
    if decoupled:  # Loshchilov & Hutter 2019, arXiv:1711.05101, Alg. 2, line 12, with eta_t alpha = lr
        theta[i] = theta[i] - lr * weight_decay * theta[i]
        return g
    return g + weight_decay * theta[i]


def sgd(
    start: Floats,
    gradients: Sequence[Floats],
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> Run:
    """Polyak 1964 and Sutskever et al. 2013, as torch has it: lr times velocity, the first one undamped."""
    theta, b, path = list(start), [0.0] * len(start), []
    for t, gradient in enumerate(gradients, 1):
        for i, g in enumerate(gradient):
            g = _prologue(theta, i, g, lr, weight_decay, maximize)
            if momentum != 0:
                b[i] = g if t == 1 else momentum * b[i] + (1 - dampening) * g
                g = g + momentum * b[i] if nesterov else b[i]
            theta[i] = theta[i] - lr * g
        path.append(list(theta))
    return path, {"momentum_buffer": b} if momentum != 0 else {}


def adagrad(
    start: Floats,
    gradients: Sequence[Floats],
    *,
    lr: float,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
    maximize: bool = False,
) -> Run:
    """Duchi, Hazan & Singer 2011 (JMLR 12), Fig. 1, diagonal; lr_decay and the place of eps are torch's."""
    theta, s, path = list(start), [initial_accumulator_value] * len(start), []
    for t, gradient in enumerate(gradients, 1):
        rate = lr / (1 + (t - 1) * lr_decay)
        for i, g in enumerate(gradient):
            g = _prologue(theta, i, g, lr, weight_decay, maximize)
            s[i] = s[i] + g * g
            theta[i] = theta[i] - rate * g / (sqrt(s[i]) + eps)
        path.append(list(theta))
    return path, {"sum": s}


def rmsprop(
    start: Floats,
    gradients: Sequence[Floats],
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    maximize: bool = False,
) -> Run:
    """Tieleman & Hinton 2012, lecture 6.5; centered: Graves 2013, arXiv:1308.0850, eq. 38-45, with torch's eps."""
    n = len(start)
    theta, v, a, b, path = list(start), [0.0] * n, [0.0] * n, [0.0] * n, []
    for gradient in gradients:
        for i, g in enumerate(gradient):
            g = _prologue(theta, i, g, lr, weight_decay, maximize)
            v[i] = alpha * v[i] + (1 - alpha) * g * g
            second = v[i]
            if centered:
                a[i] = alpha * a[i] + (1 - alpha) * g
                second = max(v[i] - a[i] * a[i], 0.0)  # a variance; torch lets rounding make it negative and NaN
            g = g / (sqrt(second) + eps)
            if momentum > 0:
                b[i] = momentum * b[i] + g
                g = b[i]
            theta[i] = theta[i] - lr * g
        path.append(list(theta))
    buffers = {"square_avg": v}
    if momentum > 0:
        buffers["momentum_buffer"] = b
    if centered:
        buffers["grad_avg"] = a
    return path, buffers


def adam(
    start: Floats,
    gradients: Sequence[Floats],
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
) -> Run:
    """Kingma & Ba 2015, arXiv:1412.6980, Alg. 1; amsgrad: Reddi et al. 2018, Alg. 2, but torch corrects its bias."""
    n, (beta1, beta2) = len(start), betas
    theta, m, v, v_max, path = list(start), [0.0] * n, [0.0] * n, [0.0] * n, []
    for t, gradient in enumerate(gradients, 1):
        for i, g in enumerate(gradient):
            g = _prologue(theta, i, g, lr, weight_decay, maximize, decoupled_weight_decay)
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g * g
            v_max[i] = max(v_max[i], v[i])
            m_hat = m[i] / (1 - beta1**t)
            v_hat = (v_max[i] if amsgrad else v[i]) / (1 - beta2**t)
            theta[i] = theta[i] - lr * m_hat / (sqrt(v_hat) + eps)
        path.append(list(theta))
    return path, {"exp_avg": m, "exp_avg_sq": v} | ({"max_exp_avg_sq": v_max} if amsgrad else {})


def adamw(start: Floats, gradients: Sequence[Floats], *, weight_decay: float = 1e-2, **hyper: float) -> Run:
    """Loshchilov & Hutter 2019, arXiv:1711.05101, Alg. 2, with a constant schedule multiplier."""
    return adam(start, gradients, weight_decay=weight_decay, decoupled_weight_decay=True, **hyper)  # type: ignore[arg-type]


def lion(
    start: Floats,
    gradients: Sequence[Floats],
    *,
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Run:
    """Chen et al. 2023, arXiv:2302.06675, Alg. 2: the sign of an interpolation, and another one for the momentum."""
    theta, m, path = list(start), [0.0] * len(start), []
    beta1, beta2 = betas
    for gradient in gradients:
        for i, g in enumerate(gradient):
            if maximize:
                g = -g
            c = beta1 * m[i] + (1 - beta1) * g
            direction = (c > 0) - (c < 0)
            theta[i] = theta[i] - lr * (direction + weight_decay * theta[i])
            m[i] = beta2 * m[i] + (1 - beta2) * g
        path.append(list(theta))
    return path, {"exp_avg": m}
