"""Benchmarks: every optimizer beside its twin from torch.optim, and all demos in one suite.

from descend.tools import bench

result = bench.twins("demo:line")
print(result)                       # the tables the command `descend bench demo:line` prints
result.plot("line.png")             # needs matplotlib: pip install "descend[tools]"
bench.suite("quick", out="results")
"""

from .base import Setting, Task, Workload
from .command import add_arguments, run
from .lockstep import Row, Twins, twins
from .profiles import profile, ratios
from .suites import Suite, suite

__all__ = [
    "Row",
    "Setting",
    "Suite",
    "Task",
    "Twins",
    "Workload",
    "add_arguments",
    "profile",
    "ratios",
    "run",
    "suite",
    "twins",
]
