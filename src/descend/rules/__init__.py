"""What is computed: every elementwise algorithm as a rule, in order of increasing complexity. Standard library only."""

from .adadelta import ADADELTA
from .adagrad import ADAGRAD
from .adam import ADAM
from .adamax import ADAMAX
from .asgd import ASGD
from .check import RuleError
from .nadam import NADAM
from .radam import RADAM
from .rmsprop import RMSPROP
from .rprop import RPROP, RPROP_FOLLOWING
from .rule import Buffer, Rule
from .sgd import SGD

__all__ = [
    "ADADELTA",
    "ADAGRAD",
    "ADAM",
    "ADAMAX",
    "ASGD",
    "NADAM",
    "RADAM",
    "RMSPROP",
    "RPROP",
    "RPROP_FOLLOWING",
    "SGD",
    "Buffer",
    "Rule",
    "RuleError",
]
