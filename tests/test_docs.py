"""README and docs do what they show: code runs, output is what running prints, links lead on, translations agree.

Two conventions make the pages testable. A ```python block is run, together with all blocks before it on its page. A
```text block right after one is what it prints. A ```console block that starts with `$ descend` shows that command.
"""

import re
import runpy
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import descend
from descend.tools import cli

REPOSITORY = Path(__file__).parents[1]
READMES = [REPOSITORY / "README.md", REPOSITORY / "README.zh-CN.md"]
PAGES = [*READMES, *sorted((REPOSITORY / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = "-- end of block {} --"

# What differs between two runs, or two machines: where a file lies; numbers, and the widths of the columns they need.
PLACE = (re.compile(r"\S+\.py:\d+"), "FILE")
NUMBERS = (re.compile(r"\d[\d.]*(e[+-]\d+|x|\+\w+)?( threads?)?"), "#")
WIDTHS = (re.compile(r"--+| +"), " ")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, content) of every fenced block."""
    return BLOCK.findall(text_of(page))


def expected_outputs(page: Path) -> list[str]:
    """For each python block, the text block that follows it; empty if another kind of block, or none, does."""
    found = [*blocks(page), ("", "")]
    pairs = pairwise(found)
    return [after[1] if after[0] == "text" else "" for (language, _), after in pairs if language == "python"]


def normal(text: str, *patterns: tuple[re.Pattern[str], str]) -> str:
    for pattern, replacement in patterns:
        text = pattern.sub(replacement, text)
    return text.strip()


@each_page
def test_python_blocks_run_and_print_what_is_shown(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The blocks run from a file, as rules need readable source."""
    code = [content for language, content in blocks(page) if language == "python"]
    script = tmp_path / "page.py"
    script.write_text("\n".join(f"{c}\nprint({FENCE.format(i)!r})\n" for i, c in enumerate(code)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script), run_name="__main__")
    rest = capsys.readouterr().out
    for i, shown in enumerate(expected_outputs(page)):
        printed, _, rest = rest.partition(FENCE.format(i))
        assert normal(printed, PLACE) == normal(shown, PLACE), f"output of python block {i} of {page.name}"
    assert not rest.strip()


def test_every_text_block_of_the_readme_is_checked() -> None:
    """A text block that follows no python block would be compared with nothing."""
    for page in PAGES:
        found = blocks(page)
        for before, after in pairwise(found):
            assert after[0] != "text" or before[0] == "python", f"{page.name}: text block without code: {after[1][:60]}"


def test_the_readmes_show_the_same() -> None:
    assert blocks(READMES[0]) == blocks(READMES[1])
    measured = re.compile(r"<!-- step_time -->(.*?)<!-- /step_time -->", re.DOTALL)
    tables = [measured.findall(text_of(readme)) for readme in READMES]
    assert tables[0] == tables[1]
    (table,) = tables[0]
    assert "descend" in table.splitlines()[1], "a Markdown table, as benchmarks/step_time.py prints it"


def test_demo_line_prints_what_the_readme_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """Losses and parameters to 2 in the last digit, which another processor may round differently; no times."""
    (shown,) = (content for _, content in blocks(READMES[0]) if content.startswith("$ descend bench demo:line"))
    assert cli.main(["bench", "demo:line", "--quiet", "--plot", "none"]) == 0
    printed = capsys.readouterr().out
    for own, real in zip(tables_of(shown), tables_of(printed), strict=True):
        assert own.keys() == real.keys()
        for label, values in own.items():
            assert values == pytest.approx(real[label], rel=0, abs=2e-5 if len(values) == 5 else 2e-4), label
    command, _, shown = shown.partition("\n")
    assert normal(shown, NUMBERS, WIDTHS) == normal(printed, NUMBERS, WIDTHS), f"labels, headings, notes of {command}"


def test_compare_digits_prints_what_the_readme_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """The same columns, optimizers and kinds of remarks; losses and rates are another machine's, times anybody's."""
    (shown,) = (content for _, content in blocks(READMES[0]) if content.startswith("$ descend compare demo:digits"))
    assert cli.main(["compare", "demo:digits", "--quiet"]) == 0
    printed = capsys.readouterr().out
    heading, own = shown.partition("\n")[2].splitlines(), printed.splitlines()
    assert normal("\n".join(heading[:2]), NUMBERS) == normal("\n".join(own[:2]), NUMBERS)
    assert heading[4].split() == own[4].split(), "the columns"
    assert heading[4].split()[:4] == ["#", "optimizer", "best", "LR"]
    names = ("SGD momentum=0.9", "AdamW", "RMSprop")
    for text in (shown, printed):
        assert all(re.search(rf"^\d=? +{re.escape(name)} ", text, re.MULTILINE) for name in names)
        assert re.search(r"^Use: descend\.\w+\(model\.parameters\(\), lr=[\d.e-]+", text, re.MULTILINE)


def tables_of(output: str) -> list[dict[str, list[float]]]:
    """The tables of `descend bench demo:line`, without the columns of times: label -> values."""
    tables: list[dict[str, list[float]]] = []
    for line in output.splitlines():
        if line.startswith("optimizer "):
            tables.append({})
        elif re.match(r"[A-Z]\S+ (0\.\d|1 ).*  \d", line):
            label, *values = re.split(r"  +", line)
            tables[-1][label] = [float(v) for v in (values if len(tables) == 1 else values[:3])]
    return tables


@each_page
def test_links_and_images_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if not target.startswith(("https://", "http://", "#")):
            found = (page.parent / target.partition("#")[0]).resolve()
            assert found.exists(), f"{page.name}: {target}"
            assert found.is_relative_to(REPOSITORY), f"{page.name}: {target} leaves the repository"


def test_pictures_are_small() -> None:
    pictures = list((REPOSITORY / "docs" / "images").iterdir())
    assert [p.name for p in pictures if p.stat().st_size > 200_000] == []
    assert all(any(f"images/{p.name})" in text_of(page) for page in PAGES) for p in pictures), "every picture is shown"


@each_page
def test_no_path_of_some_machine(page: Path) -> None:
    assert re.findall(r"(?<![\w.~:/])/(?:work|root|home|Users|tmp|mnt|opt|var|usr)/\S*", text_of(page)) == []


def test_the_readme_names_every_optimizer() -> None:
    classes = [getattr(descend, name) for name in descend.__all__]
    made = [c.__name__ for c in classes if isinstance(c, type) and issubclass(c, torch.optim.Optimizer)]
    for readme in READMES:
        assert [name for name in made if f"`{name}`" not in text_of(readme) and name != "Optimizer"] == []
