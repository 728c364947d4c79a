"""Tools around the optimizers: `compare` trains the same model with several of them and shows what happened.

    from descend import tools

    result = tools.compare("demo:line")
    print(result)                       # the tables the command `descend compare demo:line` prints
    result.plot("line.png")             # needs matplotlib: pip install "descend[tools]"
    result.rows[0].final["w"], result.to_json()

Nothing here is imported by `import descend`.
"""

from .comparison import Comparison, Row, compare
from .extras import MissingExtra
from .workloads import Setting, Task, UnknownWorkload, Workload

__all__ = ["Comparison", "MissingExtra", "Row", "Setting", "Task", "UnknownWorkload", "Workload", "compare"]
