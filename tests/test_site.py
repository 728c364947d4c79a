"""The documentation's site: complete, made from what the docstrings say, and without a file from anywhere else.

Building it takes some seconds and is marked slow; everything that can go wrong before is checked here at once.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

import descend
from descend.tools import quickref
from descend.tools.quickref import TABLE, Reference

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
sys.path.append(str(DOCS))  # as MkDocs does for docs/hooks.py

from sitepages import charts, docstrings, optimizers, reference  # noqa: E402  # found by the line above

CONFIG: dict[str, Any] = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))
COMMITTED = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
GENERATED = {f"optimizers/{name}.md" for name in TABLE} | {page.path for page in reference.PAGES}
LEFT_OVER = re.compile(r":\w+:`|\.\. math::|``[^`\n]+``|^(?:Args|Raises|Returns|Example|Attributes):$", re.MULTILINE)

each_optimizer = pytest.mark.parametrize("entry", TABLE.values(), ids=TABLE)
each_page = pytest.mark.parametrize("page", reference.PAGES, ids=lambda page: page.file)


def paths(nav: list[Any]) -> Iterator[str]:
    """Every page that a navigation names."""
    for item in nav:
        below = list(item.values()) if isinstance(item, dict) else [item]
        for value in below:
            yield from paths(value) if isinstance(value, list) else [value]


def outside_code(markdown: str) -> str:
    return re.sub(r"^```.*?^```$", "", markdown, flags=re.MULTILINE | re.DOTALL)


def check_links(markdown: str, path: str) -> None:
    """Every relative link of a page leads to a page that is there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", outside_code(markdown)):
        if not target.startswith("http"):
            found = (DOCS / path).parent.joinpath(target.partition("#")[0]).resolve().relative_to(DOCS).as_posix()
            assert found in COMMITTED | GENERATED, f"{path}: {target}"


# ------------------------------------------------------------------------------------------------------------ the whole


def test_the_navigation_names_every_page_once() -> None:
    named = list(paths(CONFIG["nav"]))
    assert len(set(named)) == len(named)
    assert set(named) == COMMITTED


def test_warnings_are_errors_and_nothing_comes_from_elsewhere() -> None:
    assert CONFIG["strict"] is True
    assert CONFIG["theme"]["font"] is False
    assert "extra_javascript" not in CONFIG
    assert set(CONFIG["validation"]["links"].values()) == {"warn"}


def test_the_reference_has_every_public_name() -> None:
    documented = {name for page in reference.PAGES if page.module == "descend" for name in page.documented}
    modules = {page.module.partition(".")[2] for page in reference.PAGES if not page.names}
    # Written down on other pages: the optimizers on their own, these two in docs/differences.md and torch's own pages.
    hooks = {name for name in descend.__all__ if name.startswith("register_")} | {"swap_in_optimizer_params_and_state"}
    classes = {entry.cls for entry in TABLE.values()}
    assert set(descend.__all__) == documented | classes | hooks | (modules - {"tools"})


def test_the_committed_table_is_the_quick_reference() -> None:
    page = (DOCS / "optimizers" / "index.md").read_text(encoding="utf-8")
    shown = page.partition(optimizers.TABLE_BEGIN)[2].partition(optimizers.TABLE_END)[0].strip()
    assert shown == quickref.markdown_table(), "paste what `descend table --md` prints"
    linked = optimizers.with_links(page)
    assert all(f"[{name}]({name}.md)" in linked for name in TABLE)
    check_links(linked, "optimizers/index.md")


# --------------------------------------------------------------------------------------------- pages of the optimizers


@each_optimizer
def test_the_page_of_an_optimizer(entry: Reference) -> None:
    page = optimizers.page(entry)
    assert page.startswith(f"# {entry.cls}\n")
    assert quickref.call(entry) in page
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert headings[:2] == ["Measured", "Signature"]
    assert {"Arguments", "Raises", "Example"} <= set(headings)
    assert "<math" in page, "the equation"
    assert "**Source**" in page
    assert LEFT_OVER.findall(outside_code(page)) == []
    check_links(page, f"optimizers/{entry.name}.md")
    pictures = re.findall(r"<svg.*?</svg>", page)
    assert len(pictures) >= 2
    for picture in pictures:
        drawn = ElementTree.fromstring(picture)
        assert drawn.get("aria-label")
        assert len(drawn.findall("polyline[@class='own']")) == 1
        numbers = re.findall(r'[xy]="(\S+?)"', picture)
        assert all(-1 <= float(number) <= charts.WIDTH + 1 for number in numbers)


def test_curves_are_small_and_of_every_optimizer() -> None:
    assert optimizers.CURVES.stat().st_size < 100_000
    measured = json.loads(optimizers.CURVES.read_text(encoding="utf-8"))
    found = {name for data in measured["demos"].values() for name in data["optimizers"]}
    assert found == set(TABLE)
    assert set(measured["demos"]["demo:digits"]["optimizers"]) == set(TABLE) - {"sparseadam", "lbfgs"}
    for data in measured["demos"].values():
        for name, own in data["optimizers"].items():
            losses = {lr: loss for lr, loss, _ in own["rates"]}
            assert own["best"] in losses, name
            assert own["curve"], name
            assert [step for step, _ in own["curve"]] == sorted({step for step, _ in own["curve"]}), name


def test_a_chart_marks_what_diverged_and_what_was_best() -> None:
    own = charts.Line("own", ((0.1, 1.0), (1.0, 0.5), (10.0, float("inf"))), own=True, best=(1.0, 0.5))
    other = charts.Line("a < b", ((0.1, 2.0), (10.0, 0.1)))
    drawn = ElementTree.fromstring(charts.chart("loss & more", "rate", [own, other], marks=[("start", 0.1)]))
    kinds = [element.get("class") for element in drawn]
    assert (kinds.count("cross"), kinds.count("star"), kinds.count("dot"), kinds.count("mark")) == (1, 1, 2, 1)
    assert kinds.index("other") < kinds.index("own"), "the page's own lies on top"
    (star,) = drawn.findall("text[@class='star']")
    (cross,) = drawn.findall("text[@class='cross']")
    assert float(cross.get("y", "")) < float(star.get("y", "")), "diverged is drawn at the upper edge"
    assert [title.text for title in drawn.iter("title")] == ["a < b", "own"]


# ----------------------------------------------------------------------------------------------- pages of the reference


@each_page
def test_a_page_of_the_reference(page: reference.Page) -> None:
    text = reference.text(page)
    for name in page.documented:
        assert f"\n## {name} {{#{name.lower()}}}\n" in text
    assert LEFT_OVER.findall(outside_code(text)) == []
    assert not re.search(r" at 0x[0-9a-f]+", text), "addresses differ from build to build"
    check_links(text, page.path)


def documented(
    x: float,
    many: tuple[float, ...] = (1.0,),
    *,
    a_name_that_is_rather_long: str = "so",
    another_that_is_longer_still: int = 3,
) -> float:
    r"""Twice :math:`x_1 * |y|`, for `x` < 3 and [a, b].

    .. math:: y = 2 x, \quad x = \frac{y}{2}

    As :class:`descend.Adam` and ``x * y``; see docs/speed.md.

    Args:
        x: a number_with_lines:

            - one,
              on two lines.
        many: (a, b), *not* used.

    Returns:
        Twice x.

    Example:
        >>> 2 * 3
        6

    Source: none.
    """
    return 2 * x


def test_docstrings_become_markdown() -> None:
    found = docstrings.parts(documented, reference.link)
    assert found.summary.startswith("Twice <span><math")
    assert found.summary.endswith("for `x` &lt; 3 and \\[a, b\\].")
    assert "|" not in found.summary, "a bar would end the cell of a table"
    assert found.text.count("<math") == 2, "a displayed formula may break at its wide space"
    assert "[`descend.Adam`](../optimizers/adam.md) and `x * y`" in found.text
    assert "[docs/speed.md](../speed.md)" in found.text
    sections = dict(found.sections)
    assert sections["Arguments"] == (
        "- `x`: a number\\_with\\_lines:\n    \n    - one, on two lines.\n- `many`: (a, b), \\*not\\* used."
    )
    assert sections["Returns"] == "Twice x."
    assert sections["Example"] == "```pycon\n>>> 2 * 3\n6\n```"
    assert sections[""] == "**Source**: none."


def test_signatures_are_without_annotations() -> None:
    assert docstrings.signature("descend.function", documented) == (
        "```python\ndescend.function(\n    x,\n    many=(1.0,),\n    *,\n    a_name_that_is_rather_long='so',\n"
        "    another_that_is_longer_still=3,\n)\n```"
    )


# ------------------------------------------------------------------------------------------------------------- building


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    built = {page.relative_to(tmp_path / "site").with_suffix(".md").as_posix() for page in pages}
    assert built == COMMITTED | GENERATED | {"404.md"}
    loaded = re.compile(
        r"""<(?:script|img|iframe|source)\b[^>]*\ssrc="?(?:https?:)?//|<link\b[^>]*\shref="?(?:https?:)?//"""
    )
    for page in pages:
        assert loaded.findall(page.read_text(encoding="utf-8")) == [], page
    for sheet in (tmp_path / "site").rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\s]*", sheet.read_text(encoding="utf-8")) == []
