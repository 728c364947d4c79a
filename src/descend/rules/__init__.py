"""What is computed: every elementwise algorithm as a rule, in order of increasing complexity. Standard library only."""

from .adagrad import ADAGRAD
from .adam import ADAM
from .check import RuleError
from .rmsprop import RMSPROP
from .rule import Buffer, Rule
from .sgd import SGD

__all__ = ["ADAGRAD", "ADAM", "RMSPROP", "SGD", "Buffer", "Rule", "RuleError"]
