"""Stochastic gradient descent with momentum (Polyak 1964; Nesterov form of Sutskever et al. 2013, ICML)."""

from typing import Any

from .rule import Buffer, Rule


def sgd(p, g, momentum_buffer, *, lr, momentum, fresh, ahead):  # type: ignore[no-untyped-def]
    """p <- p - lr g.  Momentum: b <- mu b + (1 - dampening) g, at first b <- g;  p <- p - lr b.

    Nesterov: p <- p - lr (g + mu b).
    """
    if momentum_buffer is not None:
        momentum_buffer = momentum * momentum_buffer + fresh * g
        if ahead is not None:
            g = g + ahead * momentum_buffer
        else:
            g = momentum_buffer
    return p - lr * g, momentum_buffer


def scalars(t: int, *, lr: float, momentum: float, dampening: float, nesterov: bool) -> dict[str, Any]:
    """The first step takes the gradient undamped: a choice of scalars, not a branch."""
    if not momentum:
        return dict(lr=lr, momentum=None, fresh=None, ahead=None)
    first = t == 1
    return dict(
        lr=lr,
        momentum=0.0 if first else momentum,
        fresh=1.0 if first else 1 - dampening,
        ahead=momentum if nesterov else None,
    )


SGD = Rule(sgd, scalars, dict(momentum_buffer=Buffer(when="momentum")), counts_steps=False, sparse=())
