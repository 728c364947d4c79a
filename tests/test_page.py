"""The HTML report and what notebooks show: complete, escaped, one file, no network, and readable in the dark."""

import dataclasses
import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from comparison_fixture import digits, small

from descend.tools import notebook, page, pictures
from descend.tools.comparing.result import Comparison
from descend.tools.records import Run, spell

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Balanced(HTMLParser):
    """Tags are closed in order; collects the text, the ids and the sortable tables' cells."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" not in self.open[-1:] and "style" not in self.open[-1:]:
            self.text.append(data)


def parsed(text: str) -> Balanced:
    reader = Balanced()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def report() -> str:
    return page.html(digits())


def test_the_report_is_one_small_file_that_loads_nothing(report: str):
    assert len(report.encode()) < 300_000
    references = re.findall(r'(?:src|href|action)="(?!#)([^"]*)"|url\((?!#)([^)]*)\)|@import', report)
    assert references == []
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", report))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_the_report_has_everything(report: str):
    comparison = digits()
    reader = parsed(report)
    text = " ".join(reader.text)
    for entry in comparison.entries:
        assert entry.label in text
    assert comparison.constructor() in text
    assert f"All {len(comparison.runs)} runs" in text
    assert reader.tags.count("svg") == 3
    assert reader.tags.count("table") == 2
    assert reader.tags.count("tr") == 2 + len(comparison.entries) + len(comparison.runs)
    assert len(reader.ids) == len(set(reader.ids)), "ids of three pictures in one page"


def test_pictures_are_well_formed_and_follow_the_scheme(report: str):
    drawn = re.findall(r"<svg.*?</svg>", report, re.DOTALL)
    for picture in drawn:
        root = ElementTree.fromstring(picture)
        assert root.get("viewBox")
        assert root.get("width") is None, "it shrinks with the screen"
        used = {
            value.lstrip("#") for e in root.iter() for name, value in e.attrib.items() if name.endswith("href")
        } | set(re.findall(r"url\(#([^)]*)\)", picture))
        assert used <= {e.get("id") for e in root.iter()}
    assert "fill: var(--ink)" in drawn[0]
    assert "#222222" not in "".join(drawn)
    declared = set(re.findall(r"(--\w+):", report))
    assert set(re.findall(r"var\((--\w+)\)", report)) <= declared
    assert "prefers-color-scheme: dark" in report


def test_labels_are_text_and_never_markup():
    comparison = digits()
    name = '<b onclick="x">&amp;"'
    old = comparison.candidates[0].label
    candidates = tuple(
        dataclasses.replace(c, label=name, line=name + "({lr})") if c.label == old else c for c in comparison.candidates
    )
    runs = tuple(dataclasses.replace(r, optimizer=name) if r.optimizer == old else r for r in comparison.runs)
    odd = Comparison(comparison.conditions, candidates, runs, False, 1.0)
    for text in (page.html(odd), notebook.comparison_html(odd)):
        reader = parsed(text)
        assert "b" not in reader.tags
        assert name in " ".join(reader.text)


def test_partial_results_and_nothing_finite():
    comparison = digits()
    interrupted = dataclasses.replace(comparison, interrupted=True)
    assert "A partial result" in page.html(interrupted)
    lost = tuple(
        Run(r.optimizer, r.lr, r.seed, status="diverged", rung=0, loss=float("inf"), rung_losses=(float("inf"),))
        for r in comparison.runs
    )
    text = page.html(Comparison(comparison.conditions, comparison.candidates, lost, False, 1.0))
    assert "No run came to a finite loss" in text
    parsed(text)
    parsed(page.html(small()))


def test_without_matplotlib_there_is_a_report_and_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = page.html(small())
    assert "No pictures: drawing the picture needs matplotlib" in text
    assert "<svg" not in text
    assert "<svg" not in notebook.comparison_html(small())


def test_the_script_is_short_and_sorts_both_tables(report: str):
    assert len(page.SCRIPT.strip().splitlines()) <= 40
    assert report.count('<table class="sortable">') == 2


def test_tables_are_sorted_by_the_numbers_behind_their_cells(report: str):
    comparison = digits()
    ranking, runs = re.findall(r'<table class="sortable">(.*?)</table>', report, re.DOTALL)
    names = re.findall(r"<th[^>]*>([^<]*)</th>", ranking)
    rows = re.findall(r"<tr>(.*?)</tr>", ranking, re.DOTALL)[1:]
    behind = [[re.search(r'data-sort="([^"]*)"', cell) for cell in re.findall(r"<td[^>]*>", row)] for row in rows]
    for entry, cells in zip(comparison.entries, behind, strict=True):
        found = {name: None if cell is None else float(cell[1]) for name, cell in zip(names, cells, strict=True)}
        assert found["best LR"] == entry.lr
        assert found["val loss"] == entry.loss
        assert found["vs default"] == (entry.default and entry.default[1]), "the default's loss, not its rate"
        assert found["optimizer"] is None
    assert runs.count("<td") == 9 * len(comparison.runs)
    assert not re.findall(r'data-sort="(?:nan|inf|None)', report), "what is no number is sorted last"


def test_notebook_fragments_have_a_table_and_a_picture_and_no_script():
    text = digits()._repr_html_()
    reader = parsed(text)
    assert reader.tags.count("svg") == 1
    assert reader.tags.count("table") == 1
    assert "script" not in reader.tags


def test_a_learning_rate_in_a_notebook():
    import torch

    from descend import tools

    x = torch.linspace(-1, 1, 64)[:, None]
    found = tools.find_lr(
        torch.nn.Linear(1, 1), [(x, 3 * x + 1)], torch.nn.MSELoss(), optimizer="adamw", check=0, progress=None
    )
    reader = parsed(found._repr_html_())
    assert reader.tags.count("svg") == 1
    text = " ".join(reader.text)
    assert all(name in text for name in found.suggestions)
    assert found.lr is not None
    assert f"learning rate {spell(found.lr)}" in text
    assert found.constructor in text


def test_a_notebook_s_display_is_updated_in_place_twice_a_second(monkeypatch: pytest.MonkeyPatch):
    shown: list[str] = []

    class Handle:
        def update(self, content: str) -> None:
            shown.append(f"update {content}")

    class Display:
        HTML = staticmethod(lambda text: re.sub("<[^>]*>", "", text))

        @staticmethod
        def display(content: str, display_id: bool) -> Handle:
            shown.append(f"new {content}")
            return Handle()

    now = [10.0]
    monkeypatch.setattr(notebook, "monotonic", lambda: now[0])
    display = notebook.Live(Display)
    for step in range(40):  # four seconds
        now[0] = 10 + step / 10
        display.text(f"<{step}>")
    assert shown[0] == "new &lt;0&gt;"
    assert 7 <= len(shown) <= 9
    assert all(line.startswith("update") for line in shown[1:])


def test_no_display_outside_of_a_notebook():
    assert notebook.live() is None


@pytest.mark.parametrize("kind", pictures.KINDS)
@pytest.mark.parametrize("count", [0, 1])
def test_pictures_of_a_comparison_that_has_hardly_begun(kind: str, count: int):
    """Seen: no run at all gave warnings of divisions by zero."""
    comparison = digits()
    begun = Comparison(comparison.conditions, comparison.candidates, comparison.runs[:count], True, 1.0)
    axes = pictures.draw(begun, kind)
    (axes[0] if kind == "curves" else axes).figure.draw_without_rendering()


@pytest.mark.parametrize("kind", pictures.KINDS)
def test_drawing_into_a_file_or_refusing_before_any_work(tmp_path, kind: str):
    comparison = small()
    for suffix in ("png", "svg", "pdf"):
        comparison.plot(kind, tmp_path / f"a.{suffix}")
        assert (tmp_path / f"a.{suffix}").stat().st_size > 1000
    with pytest.raises(ValueError, match="suffix must be one of"):
        comparison.plot(kind, tmp_path / "a.xyz")
    with pytest.raises(ValueError, match="kind must be one of lr, curves, heat, got 'pie'"):
        comparison.plot("pie")
