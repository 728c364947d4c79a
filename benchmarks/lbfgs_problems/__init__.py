"""The problems that L-BFGS is measured on, each with its start, its known minima and its source.

`MGH` is suite A, `SCALABLE` suite B, `data.problems()` suite C, `BOUNDED` suite D, `HELD_OUT` the set that nobody
looked at while tuning. Suite E, robustness, is code of its own: `lbfgs_robustness.py`, one folder up.
"""

from __future__ import annotations

from .bounded import BOUNDED
from .heldout import HELD_OUT
from .mgh import MGH
from .problem import Problem
from .scalable import SCALABLE

__all__ = ["BOUNDED", "HELD_OUT", "MGH", "SCALABLE", "Problem"]
