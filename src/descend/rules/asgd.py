"""Averaged SGD (Polyak & Juditsky 1992, SIAM J. Control Optim. 30(4); schedule: Xu 2011, arXiv:1107.2490)."""

from typing import Any

from .rule import Buffer, Rule


def asgd(p, g, ax, *, rate, decay, weight):  # type: ignore[no-untyped-def]
    """p <- (1 - lambd eta) p - eta g,  eta = lr / (1 + lambd lr (t-1))^alpha;  a <- a + mu (p - a),  mu = 1 / (t-1-t0).

    Up to step t0 + 1 there is no average: a <- p.
    """
    p = decay * p - rate * g
    if weight is not None:
        ax = ax + weight * (p - ax)
    else:
        ax = p
    return p, ax


def scalars(t: int, *, lr: float, lambd: float, alpha: float, t0: float, eta: float, mu: float) -> dict[str, Any]:
    """eta and mu of step t are functions of t; torch keeps them from step to step, so they are kept here, too."""

    def both(steps: int) -> tuple[Any, float]:
        return lr / (1 + lambd * lr * steps) ** alpha, 1 / max(1, steps - t0)

    rate, weight = map(_kept, (eta, mu), both(t - 1))
    new_eta, new_mu = both(t)
    return dict(rate=rate, decay=1 - lambd * rate, weight=None if weight == 1 else weight, eta=new_eta, mu=new_mu)


def _kept(stored: float, exact: Any) -> Any:
    """The number as stored, in float32 as torch does, unless an option has changed since: torch goes by the old one."""
    return stored if isinstance(exact, float) and abs(stored - exact) <= 2**-24 * exact else exact


ASGD = Rule(asgd, scalars, dict(ax=Buffer()), memory=dict(eta="lr", mu=1.0))
