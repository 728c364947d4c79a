"""What a user reads: the status line, the summary, and the same for a notebook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from ..blocks import spark
from .records import Advice, Check


def line(check: Check, active: Sequence[Advice] = ()) -> str:
    """The status line of a check: `step 1200  loss 0.41  |g| 1.2  dw/w 2.1e-3  lr 0.003  cos -0.02`."""
    words = [f"step {check.step}"]
    if check.loss is not None:
        words.append(f"loss {check.loss:.3g}")
    if check.groups:
        words += [f"|g| {check.grad_norm:.2g}", f"dw/w {short(check.ratio)}"]
        words.append("lr " + ",".join(dict.fromkeys(f"{group.lr:.3g}" for group in check.groups)))
    else:
        words.append("no gradients")
    if check.cos is not None:
        words.append(f"cos {check.cos:+.2f}")
    if check.alpha is not None:
        words.append(f"alpha {check.alpha:+.2f}{' overshoot' if check.alpha > 1 else ''}")
    if check.nonfinite:
        words.append(f"NaN/inf {check.nonfinite:.2%} of |g|")
    if check.z is not None and check.z > 10:
        words.append(f"spike {min(check.z, 999):.0f} sd")
    if active:
        more = f" (+{len(active) - 1})" if len(active) > 1 else ""
        words.append(f"-> {active[-1].code}{more}")
    return "  ".join(words)


def short(number: float) -> str:
    """Two digits: 2.1e-3."""
    if not number or not math.isfinite(number):
        return f"{number:g}"
    mantissa, _, exponent = f"{number:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def table(history: Sequence[Check]) -> list[tuple[str, str, str, str]]:
    """(quantity, first, last, curve) of what was measured."""
    columns: list[tuple[str, list[float]]] = [
        ("loss", [c.loss for c in history if c.loss is not None]),
        ("|g|", [c.grad_norm for c in history if c.groups]),
        ("dw/w", [c.ratio for c in history if c.groups]),
        ("cos", [c.cos for c in history if c.cos is not None]),
        ("alpha", [c.alpha for c in history if c.alpha is not None]),
    ]
    return [(name, short(v[0]), short(v[-1]), spark(v)) for name, v in columns if v]


def weights(history: Sequence[Check]) -> list[str]:
    """A line about the weights that moved most and least at the last check, for each group."""
    if not history:
        return []
    lines = []
    for number, group in enumerate(history[-1].groups):
        (most, high), (least, low) = group.largest, group.smallest
        which = f"group {number}: " if len(history[-1].groups) > 1 else ""
        lines.append(f"{which}dw/w most in {most} ({short(high)}), least in {least} ({short(low)})")
    return lines


def summary(step: int, history: Sequence[Check], advice: Sequence[Advice]) -> str:
    """What was seen and advised."""
    if not history:
        return f"{step} steps, no check yet"
    lines = [f"{step} steps, {len(history)} checks"]
    for name, first, last, curve in table(history):
        lines.append(f"  {name:<6}{first:>9} -> {last:<9}{curve}")
    lines += [f"  {text}" for text in weights(history)]
    lines += [f"  ! {text}" for text in advice] or ["  no advice"]
    return "\n".join(lines)


def page(step: int, history: Sequence[Check], advice: Sequence[Advice]) -> str:
    """The summary for a notebook."""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{first}</td><td>{last}</td><td style='font-family:monospace'>{curve}</td></tr>"
        for name, first, last, curve in table(history)
    )
    notes = "".join(f"<li>{escape(str(text))}</li>" for text in advice) or "<li>no advice</li>"
    head = "<tr><th></th><th>first</th><th>last</th><th>over the checks</th></tr>"
    below = "<br>".join(map(escape, weights(history)))
    return f"<b>{step} steps, {len(history)} checks</b><table>{head}{rows}</table>{below}<ul>{notes}</ul>"
