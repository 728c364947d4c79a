"""A comparison as text: the table, what fits into which width, which stream gets colours, and block characters."""

import io
import math
import re
from dataclasses import replace

import pytest
from comparison_fixture import CANDIDATES, CONDITIONS, digits, small
from hypothesis import given
from hypothesis import strategies as st

from descend.tools import Comparison, blocks, report
from descend.tools.comparing import tables

inf, nan = math.inf, math.nan
ESCAPE = "\x1b"


class Screen(io.StringIO):
    """A stream that is a terminal, or only says what it can encode."""

    def __init__(self, encoding: str = "utf-8", terminal: bool = True) -> None:
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self) -> str:
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


GOLDEN = """\
descend compare  train.py:setup  1,234 parameters  batch 8  cpu (2 threads)
10 steps, 2 seeds, ranked by val loss

#  optimizer         best LR    val loss   vs default  LR window          ms/step  loss by LR
-  ----------------  -------  ----------  -----------  -----------------  -------  ----------
1  AdamW               0.001  0.26 ±0.01  0.001: best  …0.001–0.01… 1.0d      0.5  ▁ ▁
2  SGD momentum=0.9      0.1  0.55 ±0.07     0.001: 2  0.1 0.0d               0.3  █   ▃ ×
LR window: at most 10 % or 2 sd worse; loss by LR: 0.001 to 1 in half-decades, ▁ 0.26, █ 2 or more, × diverged
Use: descend.AdamW(model.parameters(), lr=0.001)
! interrupted: this is what there was until then
! AdamW: the best rate is the smallest that was tried: a smaller one may be better
! SGD momentum=0.9: window is one grid point: a rate 10x off is outside
! SGD momentum=0.9: diverges from 1 on (10x the best rate)
"""


def test_the_plain_table():
    assert small().table() + "\n" == GOLDEN
    assert repr(small()) == small().table()


def test_columns_line_up():
    lines = small().table().splitlines()[3:7]
    starts = [match.start() for match in re.finditer("-+", lines[1])]
    for line in (lines[0], *lines[2:]):
        assert all(line[start - 1] == " " for start in starts[1:])
    assert [line.index(name) for line, name in zip(lines[2:], ("AdamW", "SGD"), strict=True)] == [3, 3]


def test_the_usual_table_fits_120_columns_with_all_its_columns():
    text = digits().table()
    assert max(map(len, text.splitlines())) <= 120
    for name in (
        "#",
        "best LR",
        "val loss",
        "accuracy",
        "vs default",
        "LR window",
        "ms/step",
        "s to 0.12",
        "loss by LR",
    ):
        assert name in text
    assert "Use: descend.SGD(model.parameters(), lr=0.1, momentum=0.9)" in text.splitlines()
    assert "! left out: no seed 1 for Adagrad at 0.1" in text.splitlines()
    assert [line.split()[0] for line in text.splitlines()[6:10]] == ["1=", "1=", "1=", "4"]


def test_narrow_tables_leave_out_columns_in_the_stated_order():
    gone, made = [], digits()
    for width in range(120, 60, -1):
        table = tables.ranking(made, width)
        lines = report.plain("", [table]).splitlines()
        assert max(len(line) for line in lines if not line.startswith("Use:")) <= width
        names = {"s to 0.12": "s to goal", "accuracy": "metric"}
        here = [names.get(name, name) for name in table.header]
        gone += [name for name in tables.DROPPED if name not in here and name not in gone]
    assert gone == list(tables.DROPPED[: len(gone)])
    assert len(gone) >= 4


def test_long_labels_are_cut_before_columns_are_left_out_and_said_in_full_below():
    long = "SGD momentum=0.9 nesterov=True weight_decay=0.0005"
    candidates = (replace(CANDIDATES[0], label=long), CANDIDATES[1])
    runs = tuple(replace(r, optimizer=long) if r.optimizer == CANDIDATES[0].label else r for r in digits().runs)
    table = tables.ranking(Comparison(CONDITIONS, candidates, runs, False, 1.0), 120)
    (short,) = [row[1] for row in table.rows if row[1].startswith("SGD")]
    assert short.endswith("…")
    assert len(short) >= tables.LABEL
    assert f"{short} is {long}" in table.notes


def test_rows_can_be_sorted_otherwise():
    def labels(sort: str) -> list[str]:
        return [entry.label.split()[0] for entry in tables.in_order(digits().entries, sort)]

    assert labels("loss") == ["SGD", "AdamW", "RMSprop", "Adagrad"]
    assert labels("seconds") == ["SGD", "RMSprop", "AdamW", "Adagrad"]  # the last one has not reached the goal
    assert labels("lr") == ["AdamW", "RMSprop", "Adagrad", "SGD"]
    assert labels("label") == ["Adagrad", "AdamW", "RMSprop", "SGD"]
    with pytest.raises(ValueError, match="sort must be one of loss, seconds, lr, label, got 'name'"):
        digits().table(sort="name")


# ------------------------------------------------------------------------------------------------------------ streams


def test_no_escape_codes_when_piped():
    stream = Screen(terminal=False)
    digits().show(stream)
    assert stream.getvalue() == digits().table() + "\n"
    assert ESCAPE not in stream.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_escape_codes_where_they_are_not_wanted(name, value, monkeypatch):
    monkeypatch.setenv("COLUMNS", "121")
    monkeypatch.setenv(name, value)
    stream = Screen()
    digits().show(stream)
    assert stream.getvalue() == digits().table() + "\n"


def test_colours_on_a_terminal(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "121")
    stream = Screen()
    digits().show(stream)
    assert ESCAPE in stream.getvalue()
    bare = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert max(map(len, bare.splitlines())) <= 121
    words = bare.replace("─", "-").split()
    assert [word for word in words if set(word) != {"-"}] == [
        word for word in digits().table().split() if set(word) != {"-"}
    ]
    cells = re.findall(r"\x1b\[([0-9;]+)m([▁-█×])", stream.getvalue())
    assert len({style for style, sign in cells if sign in blocks.BLOCKS}) >= 4  # heat cells have colours of their own


@pytest.mark.parametrize("terminal", [False, True])
def test_streams_that_know_ascii_only_get_ascii(terminal, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "90")
    stream = Screen("ascii", terminal)
    digits().show(stream)
    text = stream.getvalue()
    assert text.isascii()
    assert "0.086 +-0.003" in text
    assert "?" not in text


def test_a_terminal_that_is_narrow_gets_fewer_columns(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Screen()
    digits().show(stream)
    assert max(len(line) for line in stream.getvalue().splitlines() if not line.startswith(("Use", "desc"))) <= 80


# ------------------------------------------------------------------------------------------------------------- blocks


def test_blocks_show_what_is_not_finite():
    assert blocks.row([nan, inf, -inf, 1.0]) == " ×▁▁"
    assert blocks.row([]) == blocks.spark([]) == ""
    assert blocks.row([nan, inf]) == " ×"
    assert blocks.row([1.0, 10.0, 1e6], high=10.0) == "▁██"
    assert blocks.spark([1.0, 1.0, inf, 1.0, nan, nan], width=3) == "▁× "


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
def test_blocks_take_any_numbers_and_keep_their_order(values):
    row = blocks.row(values)
    assert len(row) == len(values)
    assert set(row) <= set(blocks.BLOCKS + blocks.DIVERGED + blocks.NOTHING)
    finite = sorted((value, sign) for value, sign in zip(values, row, strict=True) if math.isfinite(value))
    assert [sign for _, sign in finite] == sorted(sign for _, sign in finite)


def test_the_heading_says_what_was_trained_and_how():
    lines = tables.heading(digits()).splitlines()
    assert lines[1] == CONDITIONS.title
    other = replace(
        CONDITIONS,
        batch=None,
        threads=2,
        rungs=(9,),
        seeds=1,
        schedule="cosine",
        title="",
        stacked={"AdamW": "yes: 2x"},
    )
    assert tables.heading(replace(digits(), conditions=other)).splitlines() == [
        "descend compare  demo:digits  26,122 parameters  cpu (2 threads)",
        "9 steps, 1 seed, ranked by val loss, cosine schedule, batched runs: AdamW",
    ]


def test_what_holds_for_all_optimizers_is_said_once():
    first = replace(digits(), runs=tuple(run for run in digits().runs if run.seed == 0))
    text = first.table()
    assert text.count("1 of 2 seeds") == 1
    assert "\n! 1 of 2 seeds\n" in text
    assert "=: within noise of the first of its rank (one seed: 5 %, or 2 sd of the last evaluations)" in text


def test_the_fixture_is_ranked_as_it_was_made():
    entries = digits().entries
    assert [(e.rank, e.label, e.lr) for e in entries] == [
        (1, "SGD momentum=0.9", 0.1), (1, "AdamW", 3.16e-3), (1, "RMSprop", 3.16e-3), (4, "Adagrad", 0.0316),
    ]  # fmt: skip
    assert entries[0].loss == pytest.approx(0.086, abs=1e-3)
    assert entries[3].goal_seconds is None
