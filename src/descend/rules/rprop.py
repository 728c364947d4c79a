"""Rprop (Riedmiller & Braun 1993, ICNN) in the variant iRprop- (Igel & Huesken 2000, NC), for full batches."""

from typing import Any

from .ops import maximum, minimum, sign, where
from .rule import Buffer, Rule


def rprop(p, g, prev, step_size, *, grow, shrink, least, most, zero, ratio):  # type: ignore[no-untyped-def]
    """s <- s eta+ where g has kept its sign, s eta- where it has changed, within step_sizes;  p <- p - s sign(g).

    Where the sign has changed g counts as 0, in this step and as the previous gradient of the next. A changed
    learning rate scales the step:  p <- p - (lr / lr at the start) s sign(g).
    """
    direction = sign(g)
    turn = direction * prev  # as g * prev, which may underflow, but in sign
    step_size = where(turn > zero, grow * step_size, where(turn < zero, shrink * step_size, step_size))
    step_size = minimum(maximum(step_size, least), most)
    step = where(turn < zero, zero, direction) * step_size
    if ratio is not None:
        step = ratio * step
    return p - step, where(turn < zero, zero, g), step_size


def scalars(t: int, *, etas: tuple[float, float], step_sizes: tuple[float, float]) -> dict[str, Any]:
    """The learning rate is where step sizes begin; as long as it stays what it was, nothing else depends on it."""
    return dict(shrink=etas[0], grow=etas[1], least=step_sizes[0], most=step_sizes[1], zero=0.0, ratio=None)


def following(
    t: int, *, lr: float, etas: tuple[float, float], step_sizes: tuple[float, float], initial_lr: float
) -> dict[str, Any]:
    """The same once the learning rate has changed: each parameter remembers the one that its step sizes began with."""
    initial = initial_lr if initial_lr else lr  # nothing can be proportional to 0: it counts from the first other rate
    if abs(lr - initial) <= 2**-24 * initial:  # unchanged: it is stored in float32
        ratio = 1.0 if lr else 0.0
    else:
        ratio = lr / initial
    return scalars(t, etas=etas, step_sizes=step_sizes) | dict(ratio=ratio, initial_lr=initial)


_BUFFERS = dict(prev=Buffer(), step_size=Buffer(signed=False, init="lr"))
RPROP = Rule(rprop, scalars, _BUFFERS)
RPROP_FOLLOWING = Rule(rprop, following, _BUFFERS, memory=dict(initial_lr="lr"))
