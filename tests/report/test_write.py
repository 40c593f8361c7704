"""The results folder as a whole, and what its page says."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.report import Entry, Manifest, write_report
from calrec_recbole.report.inputs.finished_runs import read_run
from calrec_recbole.report.inputs.kept import read_kept
from calrec_recbole.report.inputs.user_facts import facts_file, write_facts

FACTS = {
    "target": list("abcd"), "last_item": list("xbxx"), "history_length": [3, 4, 5, 30],
    "seen_before": [False, True] * 2, "training_count": [0, 2, 7, 200], "validation_count": [0, 0, 1, 1],
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def manifest(run_writer, place):
    write = run_writer(place)
    folders = {model: write(model, dataset="Scientific") for model in ("SASRec", "LIR")}
    entries = [Entry(model, model, "Scientific", str(folder)) for model, folder in folders.items()]
    entries.append(Entry("<script>alert(1)</script>", "Pop", "Scientific", "", error="it <b>broke</b>"))
    made = Manifest("x", "A & B", "calrec compare --experiment=x", ["A note."], entries=entries)
    return made.changed(data={"Scientific": "nowhere"})


@pytest.fixture(scope="module")
def written(manifest, place):
    out = place / "out"
    facts = pd.DataFrame(FACTS, index=pd.Index(["u1", "u2", "u3", "u4"], name="user_id"))
    write_facts(facts, facts_file(out, read_run(place / "runs" / "Scientific" / "LIR" / "1-ab")))
    write_report(manifest, out)
    return out


@pytest.fixture
def no_plots(monkeypatch):
    """They are drawn once, above."""
    monkeypatch.setattr("calrec_recbole.report.plots.all_plots.draw_plots", lambda *_: [])


def test_no_file_leaves_the_folder_whatever_a_data_set_is_called(run_writer, tmp_path):
    name = "../../evil"
    folder = run_writer(tmp_path / "in")("LIR", dataset="Tiny")
    out = tmp_path / "a" / "b" / "out"
    before = {file for file in tmp_path.rglob("*") if file.is_file()}
    write_report(Manifest("x", "X", entries=[Entry("LIR", "LIR", name, str(folder))]), out)
    new = {file for file in tmp_path.rglob("*") if file.is_file()} - before
    assert [file for file in new if not file.is_relative_to(out)] == []
    plots = {file.name for file in (out / "plots").glob("*-metrics.png")}
    assert len(plots) == 1
    assert plots.pop().startswith("evil-")


def test_damaged_ranks_cost_their_row_alone(run_writer, tmp_path):
    write = run_writer(tmp_path / "in")
    folders = {model: write(model) for model in ("SASRec", "LIR")}
    file = folders["LIR"] / "ranks.parquet"
    file.write_bytes(file.read_bytes()[:400])
    made = Manifest("x", "X", entries=[Entry(model, model, "Tiny", str(path)) for model, path in folders.items()])
    write_report(made, tmp_path / "out")
    table = (tmp_path / "out" / "table.md").read_text()
    assert "| SASRec | .5327 |" in table
    assert f"failed: {file} cannot be read" in table


def test_everything_is_there(written):
    names = {
        str(file.relative_to(written)) for file in written.rglob("*") if file.is_file() and ".cache" not in file.parts
    }
    kinds = ["metrics", "gap", "cost", "curves", *(f"slices-{number}" for number in range(1, 6))]
    assert names == {
        *("results.csv", "results.parquet", "tests.csv", "slices.csv", "table.md", "table.tex", "report.html"),
        *("comparison.json", "kept.json", "ranks.parquet"),
        *(f"plots/Scientific-{kind}.{end}" for kind in kinds for end in ("png", "svg")),
    }
    frame = pd.read_csv(written / "results.csv")
    assert list(frame["model"]) == ["SASRec", "LIR", "Pop"]
    assert frame["recall_opt@1"][1] == 3 / 4
    assert frame["error"][2] == "it <b>broke</b>"
    pd.testing.assert_frame_equal(
        pd.read_parquet(written / "results.parquet")[["recall_pes@1"]], frame[["recall_pes@1"]]
    )
    slices = pd.read_csv(written / "slices.csv")
    unseen = slices[(slices["slice"] == "unseen") & (slices["label"] == "LIR")]
    assert unseen["mrr_pes"].tolist() == [1 / 2]  # u1 alone
    for file in (written / "plots").glob("*.svg"):
        ElementTree.parse(file)


def test_the_page_holds_it_all_and_no_place_of_this_machine(written):
    page = (written / "report.html").read_text()
    for part in (
        "A &amp; B",
        "A note.",
        ".7500",
        ".0565",
        "paper",
        "Against SASRec",
        "epochs: 3",
        "not prepared on this",
    ):
        assert part in page
    assert "&lt;script&gt;alert(1)" in page
    assert "it &lt;b&gt;broke" in page
    assert "/secret" not in page
    # NDCG@10: SASRec (1 + .6309 + 0 + .5) / 4 = .5327, LIR, over the places of its ties, (2 * .8155 + 0 + .6404) / 4
    assert "LIR has the highest NDCG@10 (expected), 6.6 % ahead of SASRec." in page
    assert "±" not in page
    assert page.count("<figure") == 9
    assert page.count('<ul class="key') == 2  # for the slices, and again for the costs where a window is narrow
    assert page.count("<svg") == page.count("</svg>") == 9 + 2 * 2  # a mark a row and legend
    assert "1 threads" not in page
    for fetched in ('src="', "http-equiv", "@import", '<link rel="stylesheet'):
        assert fetched not in page
    ids = [part.partition('"')[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_the_same_runs_are_not_rendered_again(written, manifest, tmp_path, no_plots):
    written = Path(shutil.copytree(written, tmp_path / "out"))
    before = (written / "report.html").stat().st_mtime_ns
    write_report(manifest, written)
    assert (written / "report.html").stat().st_mtime_ns == before
    write_report(manifest.changed(title="C"), written)
    assert (written / "report.html").stat().st_mtime_ns > before
    assert "<title>C</title>" in (written / "report.html").read_text()


def test_runs_on_other_users_are_shown_and_not_tested(manifest, write_run, tmp_path, no_plots):
    folder = write_run("Pop", dataset="Scientific", ranks=[(1, 1)], targets="x")
    other = Entry("other", "Pop", "Scientific", str(folder))
    write_report(manifest.changed(entries=[*manifest.entries, other]), tmp_path / "out")
    assert "No intervals and tests: " in (tmp_path / "out" / "report.html").read_text()
    assert not (tmp_path / "out" / "tests.csv").exists()


def test_data_alone_make_a_report(tmp_path):
    (tmp_path / "Mine").mkdir()
    (tmp_path / "Mine" / "Mine.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\nu\ta\t1\nu\tb\t2\n")
    write_report(Manifest("x", "Data", data={"Mine": str(tmp_path / "Mine"), "Games": "nowhere"}), tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "50,940" in page  # the paper's users of Games
    assert "<td>2</td>" in page  # items of ours


def test_a_page_is_made_again_without_its_run_folders(run_writer, tmp_path, no_plots, monkeypatch):
    """From what the results folder keeps, byte for byte."""
    monkeypatch.chdir(tmp_path)
    write = run_writer(tmp_path)
    entries = []
    for dataset in ("Scientific", "Arts"):  # two, so that there are means and tests over data sets
        for model in ("SASRec", "LIR", "CALRec"):
            ranks = None if model != "CALRec" else [(1, 1), (1, 3), (2, 2), (30, 40)]
            folder = write(model, ranks, dataset=dataset, samples=1)
            entries.append(Entry(model, model, dataset, str(folder.relative_to(tmp_path))))
            table = pd.read_parquet(folder / "ranks.parquet")
            masked = {f"{case}_masked": [None, *table[case][1:]] for case in ("optimistic", "pessimistic")}
            table.assign(**masked).to_parquet(folder / "ranks.parquet")
        metrics = json.loads((folder / "metrics.json").read_text())
        (folder / "metrics.json").write_text(json.dumps(metrics | {"lists": {"coverage_exp@10": 0.5}}))
    entries.append(Entry("Pop", "Pop", "Arts", "", error="it broke"))
    manifest = Manifest("x", "A title", "calrec compare ...", paper=2, reference="LIR", entries=entries)
    write_report(manifest, tmp_path / "kept")
    first = (tmp_path / "kept" / "report.html").read_text()
    assert first.count("Other views of the same runs") == 2
    assert first.count("What the lists show") == 2
    assert "the units are users" in first
    shutil.rmtree(tmp_path / "runs")
    texts = {name: (tmp_path / "kept" / name).read_text() for name in ("table.tex", "table.md")}
    assert "\n## Scientific: other views of the same runs\n" in texts["table.md"]
    # SASRec's Recall@1: 1, 2, 20, 3, and the same without the first user
    assert "| SASRec | .5327/.3770/– | .2500/.0000/– |" in texts["table.md"]
    for file in ("report.html", "results.parquet", "table.tex", "table.md"):
        (tmp_path / "kept" / file).unlink()
    write_report(manifest, tmp_path / "again", kept_in=tmp_path / "kept")
    assert (tmp_path / "again" / "report.html").read_text() == first
    assert {name: (tmp_path / "again" / name).read_text() for name in texts} == texts
    assert not (tmp_path / "again" / "results.csv").exists()  # the numbers stay where they are kept


def test_a_page_of_runs_without_the_expected_metric_is_led_by_the_pessimistic(
    manifest, written, place, tmp_path, no_plots
):
    old = Path(shutil.copytree(written, tmp_path / "old"))
    kept = json.loads((old / "kept.json").read_text().replace(str(place), "gone"))
    for run in kept["runs"].values():
        run["metrics"]["test"] = {key: value for key, value in run["metrics"]["test"].items() if "_exp" not in key}
    (old / "kept.json").write_text(json.dumps(kept))
    entries = [replace(entry, folder=entry.folder.replace(str(place), "gone")) for entry in manifest.entries]
    write_report(manifest.changed(entries=entries), tmp_path / "again", kept_in=old)
    # LIR's in the worst case: (.6309 + .6309 + 0 + .4307) / 4 = .4231
    lead = "SASRec has the highest NDCG@10 (pessimistic), 25.9 % ahead of LIR."
    assert lead in (tmp_path / "again" / "report.html").read_text()


def test_the_spread_over_seeds_is_explained_where_a_row_has_it(write_run, tmp_path, no_plots):
    folders = [write_run("LIR"), write_run("LIR", [(1, 1), (1, 1), (2, 2), (2, 2)], seed=2)]
    entries = [Entry("LIR", "LIR", "Tiny", str(folder)) for folder in folders]
    write_report(Manifest("x", "X", entries=entries), tmp_path / "out")
    # pessimistic Recall@1: 0 and 1/2, which lie .25 from their mean: sqrt(2 * .25^2 / 1)
    assert ".2500±.3536 |" in (tmp_path / "out" / "table.md").read_text()
    told = "± is the standard deviation over seeds (n − 1)."
    for name in ("table.md", "report.html"):
        assert (tmp_path / "out" / name).read_text().count(told) == 1
    tex = (tmp_path / "out" / "table.tex").read_text()
    assert r"second. $\pm$ is the standard deviation over seeds (n $-$ 1).}" in tex


def test_the_learning_curves_are_kept(manifest, written):
    kept = read_kept(written)
    for entry in manifest.entries[:2]:
        assert kept.runs[entry.folder].curve == read_run(Path(entry.folder)).curve
        assert kept.runs[entry.folder].curve.values == [0.1, 0.3]
        assert kept.runs[entry.folder].log_end == ["2026-01-01 10:00:00,000 INFO SASRec on Tiny: runs/Tiny/SASRec/1-ab"]
        assert "data_path" not in kept.runs[entry.folder].config


def test_the_last_losses_of_a_training_are_kept_and_shown(write_run, tmp_path, no_plots):
    lines = ["step,seconds,metric,value", "10,1,train/tt,3.4", "20,2,train/tt,2.25", "20,2,train/chance,3.466"]
    lines += ["20,2,train/ut,nan", "20,2,train/nig,inf"]  # a training that ran away
    folder = write_run("CALRec", [(1, 1)], curves="\n".join([*lines, "20,2,train/tokens_per_second,900", ""]))
    write_report(Manifest("x", "X", entries=[Entry("CALRec", "CALRec", "Tiny", str(folder))]), tmp_path / "out")
    (run,) = read_kept(tmp_path / "out").runs.values()
    assert run.losses == read_run(folder).losses == {"tt": 2.25, "chance": 3.466}
    assert "Losses at the end, in nats: tt 2.250, chance 3.466." in (tmp_path / "out" / "report.html").read_text()


def test_nothing_kept_is_told_in_one_line(tmp_path):
    gone = Manifest("x", "x", entries=[Entry("LIR", "LIR", "Tiny", "runs/nowhere")])
    with pytest.raises(DataError, match=r"no kept.json and its run folders are gone; run calrec compare again"):
        write_report(gone, tmp_path / "out", kept_in=tmp_path)
    assert not (tmp_path / "out").exists()
