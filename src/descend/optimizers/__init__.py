"""Who calls it: torch-compatible optimizer classes."""

from .adagrad import Adagrad
from .adam import Adam, AdamW
from .base import Optimizer
from .define import define
from .explain import Explanation
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Explanation", "Optimizer", "RMSprop", "define"]
