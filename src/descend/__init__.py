"""descend: torch.optim done again. Every algorithm is one small function, compiled to fused multi-tensor kernels.

`import descend as optim` in place of `import torch.optim as optim`.
"""

from .optimizers import SGD, Adagrad, Adam, AdamW, Explanation, Optimizer, RMSprop, define
from .rules import Buffer, Rule, RuleError

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Buffer",
    "Explanation",
    "Optimizer",
    "RMSprop",
    "Rule",
    "RuleError",
    "define",
]
