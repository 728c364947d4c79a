"""Comparing optimizers: `compare` searches every optimizer's best learning rate and ranks them at it, `load` reads it.

plan      what is run, as numbers           search    `compare`: arguments, plan, result
halving   the search for the best rates     lanes     the runs while they go on
budget    the time                          journal   what is written, so that it can go on after anything
stacked   many copies in one batched run    result    the class Comparison; ranking, tables, exports
"""

from __future__ import annotations

from .result import Comparison
from .saved import load
from .search import NothingLearned, compare

__all__ = ["Comparison", "NothingLearned", "compare", "load"]
