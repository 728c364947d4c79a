"""L-BFGS: limited-memory quasi-Newton minimisation, as an optimizer class and as a function."""

from .lbfgs import LBFGS
from .minimizing import MinimizeResult, minimize
from .result import LBFGSResult, Status

__all__ = ["LBFGS", "LBFGSResult", "MinimizeResult", "Status", "minimize"]
