"""The wheel, its metadata and the pinned environment: built and read for real, not assumed."""

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import descend

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def requirements() -> list[Requirement]:
    """Every requirement that pyproject.toml names: of the build, of the library, of the extras."""
    project = PROJECT["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [Requirement(line) for line in PROJECT["build-system"]["requires"] + project["dependencies"] + extras]


def pins() -> dict[str, Version]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    found = dict(line.split("==") for line in lines)  # a line that is no exact pin fails here
    return {canonicalize_name(name): Version(version) for name, version in found.items()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_is_pure_python(wheel: Path):
    assert wheel.name == f"descend-{PROJECT['project']['version']}-py3-none-any.whl"


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path):
    source = REPOSITORY / "src"
    files = [path for path in (source / "descend").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    info = f"descend-{PROJECT['project']['version']}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    packed = {name for name in names if not name.startswith(info)}
    assert packed == {path.relative_to(source).as_posix() for path in files}
    assert "descend/py.typed" in names, "py.typed tells type checkers that descend is annotated"
    assert f"{info}/licenses/LICENSE" in names


def test_the_library_requires_torch_numba_and_numpy_only(metadata: Message):
    needed = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    always = {requirement.name for requirement in needed if requirement.marker is None}
    tools = {r.name for r in needed if r.marker and "tools" in str(r.marker)}
    assert always == {"torch", "numba", "numpy"}
    assert tools == {"rich", "matplotlib", "scikit-learn"}


def test_metadata_tells_who_may_use_it(metadata: Message):
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Requires-Python"] == ">=3.10"
    minors = {line.rsplit(" ", 1)[1] for line in metadata.get_all("Classifier", []) if ":: 3." in line}
    assert minors == {"3.10", "3.11", "3.12", "3.13", "3.14"}


def test_building_needs_no_torch():
    assert [Requirement(line).name for line in PROJECT["build-system"]["requires"]] == ["hatchling"]


def test_one_version_everywhere():
    version = PROJECT["project"]["version"]
    assert descend.__version__ == version
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == version


def test_every_public_name_exists():
    assert len(set(descend.__all__)) == len(descend.__all__)
    for name in descend.__all__:
        assert getattr(descend, name) is not None


def test_every_requirement_has_a_lower_bound_and_an_allowed_pin():
    pinned = pins()
    for requirement in requirements():
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == {">="}, f"{requirement}: a lower bound, and no upper one that would block later releases"
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} does not allow the pin {version}"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="constraints.txt is for Python 3.11 and newer")
def test_constraints_pin_the_whole_closure_and_nothing_else():
    """Follows what the installed distributions require, from pyproject.toml down; markers decide what applies here."""
    to_visit = [(canonicalize_name(requirement.name), tuple(requirement.extras)) for requirement in requirements()]
    closure: set[str] = set()
    while to_visit:
        name, extras = to_visit.pop()
        if name in closure:
            continue
        closure.add(name)
        for line in importlib.metadata.requires(name) or []:
            child = Requirement(line)
            environments = [{"extra": extra} for extra in ("", *extras)]
            if child.marker is None or any(child.marker.evaluate(environment) for environment in environments):
                to_visit.append((canonicalize_name(child.name), tuple(child.extras)))
    assert set(pins()) == closure
