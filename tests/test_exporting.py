"""A comparison as files: CSV, JSON, Markdown, TensorBoard, pandas; `descend show`; and what can be built from it."""

import csv
import io
import json
import subprocess
import sys
from argparse import ArgumentParser
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from comparison_fixture import CANDIDATES, CONDITIONS, RUNGS, digits, small, training

from descend.tools import Candidate, Comparison, MissingExtra, exporting

# --------------------------------------------------------------------------------------------------------------- JSON


def no_constants(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


@pytest.mark.parametrize("make", [digits, small])
def test_json_is_strict_and_comes_back_exactly(make):
    made = make()
    text = made.to_json()
    values = json.loads(text, parse_constant=no_constants)
    assert [entry["label"] for entry in values["entries"]] == [entry.label for entry in made.entries]
    read = Comparison.from_json(text)
    # nan is not equal to itself, so the texts of the records are compared: repr gives all digits.
    for name in ("conditions", "candidates", "runs", "entries", "interrupted", "seconds"):
        assert repr(getattr(read, name)) == repr(getattr(made, name))
    assert read.table() == made.table()


def test_json_has_the_commit_that_was_measured():
    assert json.loads(small().to_json())["git"] == "abc"
    assert "git" in json.loads(digits().to_json())


def test_the_commit_of_a_directory(tmp_path):
    assert exporting.git_revision(tmp_path / "nowhere") is None
    config = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", tmp_path, *config, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init")
    assert exporting.git_revision(tmp_path) is None  # no commit yet
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "--no-verify", "-m", "a")
    commit = git("rev-parse", "HEAD")
    assert exporting.git_revision(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert exporting.git_revision(tmp_path) == f"{commit}-dirty"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting"),
        ("[]", "holds no comparison"),
        ('{"kind": "descend comparison", "format": 99}', "format 99"),
        ('{"kind": "descend comparison", "format": 1}', "damaged: KeyError"),
    ],
)
def test_what_is_no_comparison_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Comparison.from_json(text)


# ---------------------------------------------------------------------------------------------------------------- CSV


def test_csv_parses_back(tmp_path):
    made = digits()
    file = tmp_path / "results.csv"
    assert made.to_csv(file).encode() == file.read_bytes()
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == exporting.COLUMNS
    assert len(rows) == len(made.runs)
    for row, run in zip(rows, made.runs, strict=True):
        assert (row["optimizer"], float(row["lr"]), int(row["seed"])) == (run.optimizer, run.lr, run.seed)
        assert repr(float(row["loss"])) == repr(run.loss)
        assert repr(tuple(map(float, row["rung_losses"].split()))) == repr(run.rung_losses)
        assert row["metric"] == ("" if run.metric is None else repr(run.metric))
        assert (row["status"], row["message"]) == (run.status, run.message)
    best = {(row["optimizer"], row["lr"]) for row in rows if row["best_lr"] == "True"}
    assert best == {(entry.label, repr(entry.lr)) for entry in made.entries}


def test_csv_has_the_same_columns_without_runs_metrics_and_goals():
    empty = Comparison(replace(CONDITIONS, metric="", goal=None), CANDIDATES, (), True, 0.0)
    assert empty.to_csv() == ",".join(exporting.COLUMNS) + "\n"


# ----------------------------------------------------------------------------------------------------------- Markdown


def test_markdown_renders_as_a_table():
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    label = "A|B *x* a_b"
    strange = replace(small(), candidates=(small().candidates[0], replace(small().candidates[1], label=label)))
    strange = replace(
        strange, runs=tuple(replace(r, optimizer=label) if r.optimizer == "AdamW" else r for r in small().runs)
    )
    html = markdown.render(strange.to_markdown())
    assert html.count("<tr>") == 3
    assert html.count("<th ") == 8
    assert '<td style="text-align:left">A|B *x* a_b</td>' in html
    assert '<code class="language-python">optimizer = descend.AdamW(model.parameters(), lr=0.001)\n</code>' in html
    assert html.count("<li>") == 4
    assert strange.to_markdown() == strange._repr_markdown_()


def test_markdown_of_two_optimizers_in_one_is_a_comment():
    line = "descend.Muon(a, lr={lr}) and descend.AdamW(b, lr={lr})"
    both = replace(small(), candidates=(small().candidates[0], Candidate("AdamW", line)))
    assert "\n# descend.Muon(a, lr=0.001) and descend.AdamW(b, lr=0.001)\n" in both.to_markdown()


# ------------------------------------------------------------------------------------------------- other programs


def test_tensorboard_events_read_back(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    made = digits()
    made.to_tensorboard(tmp_path)
    folders = {str(file.parent.relative_to(tmp_path)) for file in tmp_path.rglob("events*")}
    assert folders == set(exporting.run_names(made.runs))  # one each: hparams have no run of their own
    keys = set()
    for run, name in zip(made.runs, exporting.run_names(made.runs), strict=True):
        events = EventAccumulator(str(tmp_path / name))
        events.Reload()
        if run.curve:
            assert [event.step for event in events.Scalars("loss/train")] == [point.step for point in run.curve]
        loss = events.Scalars("hparam/loss")[0].value
        assert loss == pytest.approx(run.loss, rel=1e-6, nan_ok=True)  # events hold float32
        data = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
        options = plugin_data_pb2.HParamsPluginData.FromString(data).session_start_info.hparams
        keys.add((tuple(sorted(options)), tuple(t for t in events.Tags()["scalars"] if t.startswith("hparam/"))))
    assert len(keys) == 1


def test_without_tensorboard_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match="pip install tensorboard"):
        small().to_tensorboard(tmp_path / "events")
    assert not (tmp_path / "events").exists()


def test_pandas_has_a_row_for_every_run():
    pytest.importorskip("pandas")
    frame = digits().to_pandas()
    assert tuple(frame.columns) == exporting.COLUMNS
    assert len(frame) == len(digits().runs)
    assert frame.loc[frame.best_lr & (frame["rank"] == 4), "lr"].unique().tolist() == [0.0316]


# --------------------------------------------------------------------------------------------------------- Comparison


def test_building_the_best_optimizer():
    def sgd(params: object, lr: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(params, lr=lr, momentum=0.9)  # type: ignore[arg-type]

    made = replace(digits(), builders={"SGD momentum=0.9": sgd})
    model = torch.nn.Linear(2, 1)
    for parameters in (model, model.parameters(), [{"params": list(model.parameters())}]):
        optimizer = made.build(parameters)
        assert optimizer.param_groups[0]["lr"] == 0.1
        assert optimizer.param_groups[0]["params"][0] is model.weight
    assert made.constructor("AdamW") == "descend.AdamW(model.parameters(), lr=0.00316)"
    with pytest.raises(ValueError, match=r"label must be one of 'SGD momentum=0.9', 'AdamW', .*, got 'adamw'"):
        made.build(model, "adamw")
    with pytest.raises(RuntimeError, match=r"cannot build optimizers; write descend\.SGD\(.*lr=0\.1"):
        digits().build(model)


def test_there_is_no_best_one_if_nothing_was_learned():
    runs = tuple(training(label, 1e9, 0, 2, rungs=RUNGS) for label in ("AdamW", "RMSprop"))
    made = Comparison(CONDITIONS, CANDIDATES[1:3], runs, False, 1.0)
    for call in (lambda: made.best, made.constructor, lambda: made.build([])):
        with pytest.raises(RuntimeError, match="no run of AdamW, RMSprop came to a finite loss"):
            call()
    with pytest.raises(ValueError, match="no learning rate worked for 'AdamW'"):
        made.build([], "AdamW")
    assert "! no optimizer came to a finite loss" in made.table()
    assert "Use:" not in made.table()
    assert "```" not in made.to_markdown()
    assert Comparison.from_json(made.to_json()).table() == made.table()


def test_a_comparison_of_nothing_has_a_table():
    made = Comparison(CONDITIONS, CANDIDATES, (), True, 0.0)
    assert "! not trained" in made.table()
    assert "loss by LR" not in made.table()


def test_pictures_reports_and_notebooks_are_made_where_they_are_asked_for(monkeypatch, tmp_path):
    """What draws is tested where it is; here, that it gets the comparison and every argument."""
    from descend import tools

    def draw(*given: object) -> object:
        return given

    fakes = {
        "pictures": SimpleNamespace(draw=draw),
        "page": SimpleNamespace(html=lambda comparison: f"<p>{comparison.best.label} ±"),
        "notebook": SimpleNamespace(comparison_html=lambda comparison: f"<b>{comparison.best.label}"),
    }
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, f"descend.tools.{name}", fake)
        monkeypatch.setattr(tools, name, fake, raising=False)
    made = digits()
    assert made.plot() == (made, "lr", None, None)
    assert made.plot("heat", "a.png", ax=1) == (made, "heat", "a.png", 1)
    assert made.to_html(tmp_path / "a.html") == "<p>SGD momentum=0.9 ±"
    assert (tmp_path / "a.html").read_bytes() == "<p>SGD momentum=0.9 ±\n".encode()
    assert made._repr_html_() == "<b>SGD momentum=0.9"


# --------------------------------------------------------------------------------------------------------------- show


def show(*arguments: str) -> tuple[int, str, list[str]]:
    from descend.tools import showing

    parser, stream, told = ArgumentParser(), io.StringIO(), list[str]()
    showing.add_arguments(parser)
    return showing.run(parser.parse_args(arguments), stream, told.append), stream.getvalue(), told


def test_show_prints_what_was_kept(tmp_path, capsys):
    file = tmp_path / "result.json"
    digits().to_json(file)
    assert show(str(file)) == (0, digits().table() + "\n", [])
    assert show(str(file), "--sort", "lr")[1] == digits().table(sort="lr") + "\n"
    assert show(str(file), "--md")[1] == digits().to_markdown()
    assert show(str(file), "--csv")[1] == digits().to_csv()
    assert json.loads(show(str(file), "--json")[1]) == json.loads(file.read_text())
    assert show(str(tmp_path))[0] == 2
    assert "holds no comparison" in capsys.readouterr().err
    assert show(str(file), "--html", str(tmp_path / "no" / "report.html"))[0] == 2


def test_show_reads_a_journal_that_is_being_written(tmp_path):
    from descend.tools.comparing.journal import Journal
    from descend.tools.records import to_plain

    made = digits()
    journal = Journal(tmp_path, {})
    journal.begin(to_plain(CONDITIONS), [to_plain(candidate) for candidate in CANDIDATES])
    journal.runs(made.runs, 0, 1.0)
    journal.close()
    with (tmp_path / "runs.jsonl").open("a") as stream:
        stream.write('{"kind": "runs", "rung": 1, "runs": [{"optimi')  # half a line
    code, text, _ = show(str(tmp_path))
    assert code == 0
    assert text == replace(made, interrupted=True).table() + "\n"
