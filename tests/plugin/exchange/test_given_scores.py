"""Scores of a model, given from outside in each format, are worth what they are in the run that made them."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import recbole
import torch

from calrec_recbole.cli.calrec import main
from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.evaluation import read_ranks
from calrec_recbole.plugin.exchange.run_lists import after_history
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.reranking.candidate_source import check_first_stage
from calrec_recbole.plugin.runner import run
from calrec_recbole.report.inputs.labels import manifest_of
from calrec_recbole.report.tables.row_notes import row_notes
from calrec_recbole.reranking.rerank_settings import RerankSettings
from tests.report.tables.test_metric_tables import rows

LISTS = {"list_metrics": ["coverage", "popularity", "gini", "novelty"]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A ``data_path`` with Slice: the events of ml-100k's first users."""
    source, parent = Path(recbole.__file__).parent / "dataset_example" / "ml-100k", tmp_path_factory.mktemp("dataset")
    folder = parent / "Slice"
    folder.mkdir()
    head, *events = (source / "ml-100k.inter").read_text().splitlines()
    kept = [line for line in events if int(line.split("\t")[0]) < 40]
    (folder / "Slice.inter").write_text("\n".join([head, *kept]) + "\n")
    (folder / "Slice.item").write_text((source / "ml-100k.item").read_text())
    return parent


@pytest.fixture(scope="module")
def sasrec(data, tmp_path_factory):
    """A finished run of it."""
    settings = {"data_path": str(data), "output_dir": str(tmp_path_factory.mktemp("runs")), "gpu_id": ""}
    sizes = {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1, "epochs": 1, "MAX_ITEM_LIST_LENGTH": 5}
    return run("SASRec", "Slice", overrides={**settings, **sizes, **LISTS, "show_progress": False}, show=False)


@pytest.fixture(autouse=True)
def here(data, tmp_path):
    (tmp_path / "dataset").symlink_to(data)


def evaluated(tmp_path, scores, *more, name="Mine"):
    """The run folder of `calrec evaluate`."""
    out = tmp_path / f"evaluated-{scores.name}"
    given = ["--dataset=Slice", f"--scores={scores}", f"--name={name}", f"--data_path={tmp_path / 'dataset'}"]
    assert main(["evaluate", *given, f"--output_dir={out}", "--gpu_id=", "--show_progress=false", *more]) == 0
    (folder,) = (out / "Slice" / "GivenScores").iterdir()
    return folder


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".trec", ".npy"])
def test_every_format_gives_the_numbers_of_the_run(tmp_path, sasrec, ending):
    scores = tmp_path / f"scores{ending}"
    where = [f"--run={sasrec.folder}", f"--out={scores}"]
    assert main(["recommend", *where, *(["--top=100000"] if ending != ".npy" else [])]) == 0
    folder = evaluated(tmp_path, scores, "--list_metrics=[coverage,popularity,gini,novelty]")
    found = json.loads((folder / "metrics.json").read_text())
    assert found["test"] == sasrec.test
    assert found["lists"] == pytest.approx(sasrec.lists)
    pd.testing.assert_frame_equal(read_ranks(folder), read_ranks(sasrec.folder))


def test_lists_are_exact_up_to_their_length_and_told_to_be_no_more(tmp_path, sasrec, capsys):
    top = tmp_path / "top.parquet"
    assert main(["recommend", f"--run={sasrec.folder}", f"--out={top}", "--top=10"]) == 0
    folder = evaluated(tmp_path, top)
    whole = json.loads((folder / "metrics.json").read_text())
    found, missed = whole["test"], int((read_ranks(sasrec.folder)["optimistic"] > 10).sum())
    assert whole["given_lists"] == {"targets": 39, "unlisted": missed, "shortest": 10, "cut_ties": 0}
    assert {name: found[name] for name in found if "mrr" not in name} == (
        {name: sasrec.test[name] for name in found if "mrr" not in name}
    )
    assert found["mrr_pes"] < sasrec.test["mrr_pes"]
    assert f"{missed} of 39 targets stand in no list and rank last" in (folder / "log.txt").read_text()
    assert any(f"{missed} of 39 targets stand in no list" in line for line in row_notes(rows(folder)))


@pytest.mark.parametrize("ending", [".parquet", ".trec"])
def test_lists_that_end_within_ties_are_exact_as_they_have_the_whole_tie(tmp_path, data, ending):
    settings = {"data_path": str(data), "output_dir": str(tmp_path / "runs"), "gpu_id": "", "show_progress": False}
    own = run("LIR", "Slice", overrides={**settings, "retrieval": "okapi", "text_attributes": ["category"]}, show=False)
    top = tmp_path / f"lir{ending}"
    assert main(["recommend", f"--run={own.folder}", f"--out={top}", "--top=10"]) == 0
    found = json.loads((evaluated(tmp_path, top) / "metrics.json").read_text())
    upto = [name for name in own.test if "@" in name]
    assert own.test["ndcg_pes@10"] < own.test["ndcg_exp@10"] < own.test["ndcg_opt@10"]
    assert {name: found["test"][name] for name in upto} == pytest.approx({name: own.test[name] for name in upto})
    assert found["given_lists"]["cut_ties"] == 0


def test_a_report_calls_the_system_by_its_name(tmp_path, sasrec):
    scores = tmp_path / "other.npy"
    main(["recommend", f"--run={sasrec.folder}", f"--out={scores}"])
    rng = np.random.default_rng(0)
    np.save(scores, rng.integers(0, 9, np.load(scores).shape))  # of another system, with many ties
    folder = evaluated(tmp_path, scores, name="Dice")
    manifest, _ = manifest_of([folder, sasrec.folder])
    assert sorted(entry.label for entry in manifest.entries) == ["Dice", "SASRec"]
    assert sorted(entry.model for entry in manifest.entries) == ["Dice", "SASRec"]


def test_the_content_of_the_file_is_what_a_run_means(tmp_path, sasrec, capsys):
    scores = tmp_path / "a.npy"
    main(["recommend", f"--run={sasrec.folder}", f"--out={scores}"])
    first = evaluated(tmp_path, scores)
    same = evaluated(tmp_path, scores)
    assert same == first  # which had no second folder
    assert "users: 39 test" in capsys.readouterr().out
    others = [
        f"--scores={scores}",
        "--name=B",
        f"--data_path={tmp_path / 'dataset'}",
        f"--output_dir={first.parents[2]}",
    ]
    assert main(["evaluate", "--dataset=Slice", *others, "--gpu_id=", "--show_progress=false"]) == 0
    assert sorted(folder.name for folder in first.parent.iterdir()) == [first.name, f"{first.name}-2"]
    same = evaluated(tmp_path, scores.rename(tmp_path / "b.npy"), name="Other")
    assert same.name == first.name
    np.save(tmp_path / "c.npy", -np.load(tmp_path / "b.npy"))
    assert evaluated(tmp_path, tmp_path / "c.npy").name != first.name


def test_it_is_reloaded_as_any_run(tmp_path, sasrec):
    scores = tmp_path / "scores.npy"
    main(["recommend", f"--run={sasrec.folder}", f"--out={scores}"])
    loaded = load_run(evaluated(tmp_path, scores))
    batch = next(iter(loaded.test_data))[0]
    with pytest.raises(ConfigError, match="GivenScores knows users, not histories: give --user=ID"):
        after_history(loaded, loaded.dataset.prepared.items[1:2], 3)
    with pytest.raises(DataError, match=r"scores.npy was read for the users of the test alone"):
        loaded.model.full_sort_predict({"user_id": torch.tensor([1, 0])})
    with pytest.raises(ConfigError, match="has scores of the test users alone: give the run of a model"):
        check_first_stage(RerankSettings(str(loaded.config["run_dir"])))
    assert loaded.model.full_sort_predict(batch)[:, 1:].numpy() == pytest.approx(np.load(scores))
    np.save(scores, -np.load(scores))
    with pytest.raises(DataError, match=r"ranked other scores: .*scores.npy has changed since"):
        load_run(Path(loaded.config["run_dir"]))


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("--scores_file=b.npy", "--scores_file=b.npy would have no effect: give the file by --scores"),
        ("--system=B", "--system=B would have no effect: give the name by --name"),
        ("--model=SASRec", "--model=SASRec would have no effect"),
        ("--config_files=mine.yaml", "system in mine.yaml would have no effect"),
    ],
)
def test_an_option_in_disguise_is_refused(tmp_path, monkeypatch, capsys, more, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("system: B\n")
    assert main(["evaluate", "--dataset=Slice", "--scores=a.npy", more]) == 2
    assert fault in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "fault"),
    [("missing.npy", "scores_file=.* is not there"), ("scores.pkl", "ending of scores_file='.pkl' must be one of")],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, capsys, name, fault):
    given = ["--dataset=Slice", f"--scores={tmp_path / name}", f"--data_path={tmp_path / 'dataset'}"]
    assert main(["evaluate", *given, f"--output_dir={tmp_path / 'runs'}"]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(told) == 1
    assert re.search(fault, told[0])
