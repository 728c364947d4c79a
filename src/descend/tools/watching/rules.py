"""Advice: which knob to turn, once a rule has held for twenty checks.

A rule looks at every check and says whether its condition holds there, and for what. It speaks when twenty checks have
been seen and the condition held in as many of the last twenty as NEEDED says; again only after it held in less than
half of those. Thresholds are from trainings at good and bad rates: docs/watch.md has the numbers, benchmarks/
watch_rules.py measures them anew.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import fmean, median

from .records import Advice, Check, Group
from .showing import short

HELD = 20  # checks
NEEDED = {
    "nonfinite": 1,
    "weights-grew": 20,
    "overshoot": 12,
    "turning-back": 16,
    "large-updates": 18,
    "small-updates": 20,
    "rate-too-low": 17,
    "no-progress": 18,
    "no-gradient": 20,
    "gradient-outliers": 3,
    "loss-spikes": 6,
    "lost-updates": 20,
}
"""In how many of the last twenty checks each condition must have held."""

GROWN = 5.0  # norm of the weights over that at the start
EARLY = 50  # checks; later, weights may have grown for good reasons
OVERSHOT = 0.8  # alpha
TURNED = -0.8  # cosine
LARGE, SMALL = 5e-2, 3e-6  # update over weight
AHEAD = 0.1  # cosine, mean of twenty
BARELY_MOVED = -0.9  # alpha, median of twenty
SLOW = 0.3  # of the loss twenty checks ago: faster than that, a rate is not too low
SAME = 0.98  # of the loss at the start
OUTLIER = 5.0  # gradient norm over the median of those before
SPIKE = 25.0  # standard deviations
LOST = 0.5  # share of elements

Found = Iterator[tuple[str, str]]  # (subject, message)


class Rules:
    """All rules, and what they remember.

    Attributes:
        given: every advice, oldest first.
        active: those whose condition still holds.
    """

    def __init__(self) -> None:
        self.given: list[Advice] = []
        self.active: list[Advice] = []
        self._seen = 0
        self._held: dict[tuple[str, str], deque[bool]] = {}
        self._last: deque[Check] = deque(maxlen=HELD)
        self._norms: deque[float] = deque(maxlen=50)
        self._first_loss: float | None = None
        self._highest: dict[int, float] = {}  # rate of each group
        self._silent_at_first: set[str] = set()

    def add(self, check: Check) -> list[Advice]:
        """Take a check in.

        Returns:
            What is to be advised because of it.
        """
        self._seen += 1
        self._last.append(check)
        for number, group in enumerate(check.groups):
            self._highest[number] = max(self._highest.get(number, 0.0), group.lr)
        new: list[Advice] = []
        for code, rule in RULES.items():
            now = dict(rule(self, check))
            for subject in {*now, *(s for c, s in self._held if c == code)}:
                held = self._held.setdefault((code, subject), deque(maxlen=HELD))
                held.append(subject in now)
                self._judge(code, subject, held, now.get(subject), check.step, new)
        # What a later check compares with.
        if math.isfinite(check.grad_norm):
            self._norms.append(check.grad_norm)
        if self._first_loss is None:
            self._first_loss = check.loss
        new = _merged(new)
        self.given += new
        return new

    def start(self, loss: float | None, silent: set[str]) -> None:
        """At the first step.

        Args:
            loss: the very first one; None if it is not known.
            silent: parameters that have no gradient there.
        """
        self._first_loss, self._silent_at_first = loss, silent

    def _judge(
        self, code: str, subject: str, held: deque[bool], text: str | None, step: int, new: list[Advice]
    ) -> None:
        times, needed = sum(held), NEEDED[code]
        known = [advice for advice in self.active if (advice.code, advice.subject) == (code, subject)]
        if known and times <= needed // 2:
            self.active.remove(known[0])
        elif not known and text is not None and times >= needed and self._seen >= HELD:
            if needed < HELD or len(held) == HELD:
                new.append(Advice(code, step, subject, text))
                self.active.append(new[-1])
        if not times and not known and len(held) == HELD:
            del self._held[code, subject]

    # ------------------------------------------------------------------------------------------------- conditions

    def _nonfinite(self, check: Check) -> Found:
        if check.nonfinite > 0:
            yield (
                "",
                f"{check.nonfinite:.2%} of the gradient elements are NaN or infinite: leave such steps out with "
                'nonfinite="skip"; if they go on, lower lr 10x, and look at the data',
            )

    def _weights_grew(self, check: Check) -> Found:
        if check.growth is not None and check.growth > GROWN and self._seen <= EARLY:
            yield (
                "",
                f"the weights have {check.growth:.1f}x the norm that they began with, after {check.step} steps: "
                "lr may be 10x too high; a warm-up helps, too",
            )

    def _overshoot(self, check: Check) -> Found:
        if check.alpha is not None and check.alpha > OVERSHOT:
            yield "", "steps end on the far side of the valley (alpha > 0.8): lr may be 2x too high"

    def _turning_back(self, check: Check) -> Found:
        for name, group in _groups(check):
            if group.cos is not None and group.cos < TURNED:
                yield name, f"each step turns the last one back (cosine {group.cos:.2f}): lr{name} may be 2x too high"

    def _large_updates(self, check: Check) -> Found:
        for name, group in _groups(check):
            if group.ratio > LARGE and group.param_norm:
                yield (
                    name,
                    f"a step changes the weights by {group.ratio:.0%} of their norm (usual: 0.1 %), most in "
                    f"{group.largest[0]}: lr{name} may be 10x too high",
                )

    def _small_updates(self, check: Check) -> Found:
        for number, (name, group) in enumerate(_groups(check)):
            # Nothing moves either where weights have exploded or units have died.
            settled = group.lr >= 0.1 * self._highest[number] and group.lr > 0 and not (check.growth or 0) > GROWN
            if settled and group.ratio < SMALL and group.grad_norm > 0:
                yield (
                    name,
                    f"a step changes the weights by {short(group.ratio)} of their norm (usual: 1e-3): "
                    f"lr{name} may be 100x too low",
                )

    def _rate_too_low(self, check: Check) -> Found:
        if check.cos is None or check.cos <= 0:
            return
        cosines = [c.cos for c in self._last if c.cos is not None]
        alphas = [c.alpha for c in self._last if c.alpha is not None]
        rates = [group.lr for c in self._last for group in c.groups]
        steady = min(rates) > 0.5 * max(self._highest.values()) and check.groups[0].lr <= rates[0] * 1.01
        if not steady or fmean(cosines) < AHEAD:
            return
        losses = [c.loss for c in self._last if c.loss is not None]
        slow = len(losses) < HELD or median(losses[-5:]) > SLOW * median(losses[:5])
        if slow and (not alphas or median(alphas) < BARELY_MOVED):
            yield (
                "",
                f"step after step goes the same way (cosine {fmean(cosines):+.2f} on average): "
                "lr may be 10x too low, or more",
            )

    def _no_progress(self, check: Check) -> Found:
        first = self._first_loss
        if check.loss is None or first is None or not math.isfinite(first) or self._seen == 1:
            return
        bound = SAME * first if first > 0 else first
        if not check.loss < bound and (check.cos is None or check.cos < AHEAD):
            yield (
                "",
                f"the loss, {check.loss:.3g}, is no better than {first:.3g} at the start: lr may be 10x too high "
                "(or inputs and targets do not match)",
            )

    def _no_gradient(self, check: Check) -> Found:
        silent = {name for group in check.groups for name in group.silent}
        for name in silent:
            how = "it is not used in the loss, cut off by detach(), or behind units that never fire"
            if name not in self._silent_at_first:
                how = "it had one at first; its units have died, and lr may be 10x too high"
            yield name, f"dead: {name} gets no gradient: {how}"

    def _gradient_outliers(self, check: Check) -> Found:
        if len(self._norms) >= 5 and math.isfinite(check.grad_norm):
            usual = median(self._norms)
            if check.grad_norm > OUTLIER * usual > 0:
                yield (
                    "",
                    f"now and then a gradient is {check.grad_norm / usual:.0f}x the usual {short(usual)}: "
                    f"clip_grad_norm={short(2 * usual)}",
                )

    def _loss_spikes(self, check: Check) -> Found:
        if check.z is not None and check.z > SPIKE:
            yield (
                "",
                f"the loss spikes (last by {min(check.z, 9999):.0f} standard deviations): clip_grad_norm, a lower lr, "
                "or look at those batches",
            )

    def _lost_updates(self, check: Check) -> Found:
        for name, group in _groups(check):
            if group.lost is not None and group.lost > LOST and group.lr > 0:
                yield (
                    name,
                    f"{group.lost:.0%} of the half-precision weights{name} do not change, as updates are below half a "
                    'unit in the last place: rounding="stochastic"',
                )


RULES: dict[str, Callable[[Rules, Check], Found]] = {
    "nonfinite": Rules._nonfinite,
    "weights-grew": Rules._weights_grew,
    "overshoot": Rules._overshoot,
    "turning-back": Rules._turning_back,
    "large-updates": Rules._large_updates,
    "small-updates": Rules._small_updates,
    "rate-too-low": Rules._rate_too_low,
    "no-progress": Rules._no_progress,
    "no-gradient": Rules._no_gradient,
    "gradient-outliers": Rules._gradient_outliers,
    "loss-spikes": Rules._loss_spikes,
    "lost-updates": Rules._lost_updates,
}


def _merged(new: list[Advice]) -> list[Advice]:
    """Parameters that fell silent together are one advice, not a screenful."""
    silent = [advice for advice in new if advice.code == "no-gradient"]
    if len(silent) < 2:
        return new
    names = [advice.subject for advice in silent]
    more = f" and {len(names) - 1} more ({', '.join(names[1:4])}{', ...' if len(names) > 4 else ''})"
    message = silent[0].message.replace(" gets no gradient", f"{more} get no gradient", 1)
    return [a for a in new if a.code != "no-gradient"] + [replace(silent[0], subject=", ".join(names), message=message)]


def _groups(check: Check) -> Iterator[tuple[str, Group]]:
    """(subject, group): no subject where there is one group only."""
    for number, group in enumerate(check.groups):
        yield f" of group {number}" if len(check.groups) > 1 else "", group
