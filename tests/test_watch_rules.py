"""The rules of tools.watch: each speaks after twenty checks, once, and falls silent again."""

from dataclasses import replace
from pathlib import Path

import pytest

from descend.tools.watching.records import GUIDE, Check, Group
from descend.tools.watching.rules import HELD, NEEDED, RULES, Rules


def quiet_check(step=1, **changes):
    """A check at which nothing is wrong."""
    group = Group(0.1, 1.0, 1e-3, 1.0, 0.0, 0.0, 0.0, 100, ("w", 1e-3), ("w", 1e-3))
    of_group = {k: v for k, v in changes.items() if k in Group.__dataclass_fields__}
    of_check = {k: v for k, v in changes.items() if k not in of_group}
    check = Check(step, 0.0, 1.0 / step, 0.0, -0.5, 1.0, (replace(group, **of_group),))
    return replace(check, **of_check)


WRONG = {
    "nonfinite": {"nonfinite": 0.5},
    "weights-grew": {"growth": 7.0},
    "overshoot": {"alpha": 0.9},
    "turning-back": {"cos": -0.9},
    "large-updates": {"update_norm": 0.1},
    "small-updates": {"update_norm": 1e-7},
    "rate-too-low": {"cos": 0.5, "alpha": -1.0, "loss": 0.5},
    "no-progress": {"loss": 2.0},
    "no-gradient": {"silent": ("layer3.bias",)},
    "gradient-outliers": {"grad_norm": 9.0},
    "loss-spikes": {"z": 40.0},
    "lost-updates": {"lost": 0.9},
}


@pytest.mark.parametrize("code", RULES)
def test_each_rule_speaks_after_twenty_checks_and_once(code):
    rules = Rules()
    rules.start(1.0, {"layer3.bias"})
    for step in range(1, 3 * HELD):
        # Outliers are seen among usual norms.
        usual = code == "gradient-outliers" and step % 3
        rules.add(quiet_check(step) if usual else quiet_check(step, **WRONG[code]))
        given = [advice.code for advice in rules.given]
        assert given == ([] if step < (21 if code == "gradient-outliers" else HELD) else [code]), step
    (advice,) = rules.given
    assert advice.link == f"docs/watch.md#{code}" and advice.code in str(advice)
    for step in range(1, 2 * HELD):
        rules.add(quiet_check(step))
    assert rules.active == [] and len(rules.given) == 1


def test_rules_keep_silent_where_nothing_is_wrong():
    rules = Rules()
    rules.start(1.0, set())
    assert [a for step in range(1, 200) for a in rules.add(quiet_check(step))] == []
    assert set(WRONG) == set(RULES) == set(NEEDED)


def test_every_advice_has_a_paragraph_in_the_guide():
    guide = (Path(__file__).parents[1] / GUIDE).read_text(encoding="utf-8")
    assert [code for code in RULES if f"\n### {code}\n" not in guide] == []


def test_a_rate_that_rises_or_has_decayed_is_not_too_low():
    for rates in ([0.1 * 1.1**k for k in range(60)], [0.1] * 30 + [0.04] * 30):
        rules = Rules()
        rules.start(1.0, set())
        for step, lr in enumerate(rates, 1):
            rules.add(quiet_check(step, cos=0.5 if lr != 0.1 else 0.0, lr=lr, loss=0.5))
        assert rules.given == []
