"""`find_lr`: a learning rate for one optimizer on your own model, and how far to trust it.

`range_test` is one range test; `rules` reads curves, ours and the well-known ways; `prodigy` is an estimate that needs
no range; `short_runs` checks a guess; `search` puts it together; `result` and `drawing` show it; `command` is the
command line.
"""

from .range_test import RangeTest, range_test
from .result import LearningRate
from .search import find_lr

__all__ = ["LearningRate", "RangeTest", "find_lr", "range_test"]
