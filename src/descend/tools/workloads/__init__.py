"""The built-in workloads of `descend compare`, by name."""

from __future__ import annotations

from .base import Setting, Task, Workload
from .digits import DIGITS
from .line import LINE
from .logistic import LOGISTIC

__all__ = ["WORKLOADS", "Setting", "Task", "UnknownWorkload", "Workload", "find"]

WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in (LINE, DIGITS, LOGISTIC)}


class UnknownWorkload(ValueError):
    """No workload has that name; the message lists the ones that exist."""


def find(name: str) -> Workload:
    """The workload called `name`, for example `"demo:line"`.

    Raises:
        UnknownWorkload: there is none of that name.
    """
    try:
        return WORKLOADS[name]
    except KeyError:
        known = "\n".join(f"  {workload.name:<13}  {workload.title}" for workload in WORKLOADS.values())
        raise UnknownWorkload(f"unknown workload {name!r}; the ones that exist:\n{known}") from None
