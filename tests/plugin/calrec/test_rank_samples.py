"""Ranks from samples: those of a run that retrieves so itself, to the bit, without the weights."""

import json
import shutil

import pytest
import yaml

from calrec_recbole.cli.calrec import main
from calrec_recbole.evaluation import read_ranks
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from calrec_recbole.report.inputs.finished_runs import read_run
from calrec_recbole.runs.run_folder import alone_in

SAMPLED = {"train_steps": 0, "warmup_steps": 0, "temperature": 0.7, "eval_batch_size": 3}

LISTS = {"list_metrics": ["coverage", "popularity", "gini", "novelty"], "top_items": 3}


@pytest.fixture
def untuned(calrec_settings):
    """Runs of the same finished weights with the same samples; what comes after sampling is given."""
    trained = run("CALRec", overrides=calrec_settings, show=False)
    settings = {**calrec_settings, **SAMPLED, "pre_model_path": str(trained.folder)}
    return lambda **changes: run("CALRec", overrides={**settings, **changes}, show=False)


@pytest.fixture
def no_weights(monkeypatch):
    """Whoever loads a backbone, a tokenizer or a checkpoint fails."""

    def refused(*_, **__):
        raise AssertionError("weights were asked for")

    for place in (
        *("transformers.AutoModelForCausalLM.from_pretrained", "transformers.AutoTokenizer.from_pretrained"),
        *("transformers.PreTrainedModel.from_pretrained", "transformers.AutoModelForCausalLM.from_config"),
        *("calrec_recbole.plugin.calrec.model.CALRec.__init__", "calrec_recbole.plugin.runner.build_model"),
    ):
        monkeypatch.setattr(place, refused)


def ranked(folder, *options):
    assert main(["rank", f"--run={folder}", *options]) == 0


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize(
    ("retrieval", "more"), [("lucene", {}), ("okapi", {"pooling": "mean", **LISTS}), ("hierarchical", LISTS)]
)
def test_a_run_without_ranks_is_completed_in_its_folder(untuned, retrieval, more, request, capsys):
    expected = untuned(retrieval=retrieval, **more)
    sampled = untuned(retrieval="none", **more)
    valid = sampled.valid
    shutil.rmtree(sampled.folder / "checkpoint")
    request.getfixturevalue("no_weights")
    before = (sampled.folder / "samples.parquet").read_bytes()
    ranked(sampled.folder, f"--retrieval={retrieval}")
    assert f"{expected.test['mrr_pes']:.4f}" in capsys.readouterr().out
    assert (sampled.folder / "ranks.parquet").read_bytes() == (expected.folder / "ranks.parquet").read_bytes()
    if more.get("top_items"):
        assert (sampled.folder / "topk.parquet").read_bytes() == (expected.folder / "topk.parquet").read_bytes()
    found = metrics(sampled.folder)
    assert found.pop("lists", {}) == pytest.approx(expected.lists)
    assert found == {"valid": valid, "test": expected.test, "ties": metrics(expected.folder)["ties"]}
    assert (sampled.folder / "samples.parquet").read_bytes() == before
    found, wanted = (read_run(one.folder).environment for one in (sampled, expected))
    assert found["samples"] == wanted["samples"]
    assert found["users"] == wanted["users"]
    assert found["ranked"]["retrieval"] == retrieval
    assert found["ranked"]["seconds"]["evaluate"]["wall"] >= 0
    assert found["command"] == wanted["command"]
    assert not (sampled.folder / "checkpoint").exists()
    assert main(["rank", f"--run={sampled.folder}", "--retrieval=okapi"]) == 2
    assert f"has ranks already, by retrieval={retrieval}: give --out=DIR" in capsys.readouterr().err


def test_other_ranks_lie_in_a_folder_of_their_own(untuned, tmp_path):
    first, expected = untuned(), untuned(retrieval="hierarchical")
    before = {file: file.read_bytes() for file in first.folder.rglob("*") if file.is_file()}
    out = tmp_path / "others" / "hierarchical"
    ranked(first.folder, "--retrieval=hierarchical", f"--out={out}")
    for name in ("ranks.parquet", "metrics.json", "trained_on.json"):  # the validation's samples are kept too
        assert (out / name).read_bytes() == (expected.folder / name).read_bytes(), name
    assert (out / "samples.parquet").read_bytes() == (first.folder / "samples.parquet").read_bytes()
    assert before == {file: file.read_bytes() for file in first.folder.rglob("*") if file.is_file()}
    settings, wanted = (yaml.safe_load((one / "config.yaml").read_text()) for one in (out, expected.folder))
    assert settings == wanted
    assert read_run(out).test == expected.test


def test_the_way_of_finding_is_by_default_the_runs_own_or_lucene(untuned, tmp_path):
    own, none = untuned(), untuned(retrieval="none")
    ranked(own.folder, f"--out={tmp_path / 'out'}")
    assert read_ranks(tmp_path / "out").equals(read_ranks(own.folder))
    assert metrics(tmp_path / "out") == metrics(own.folder)
    ranked(none.folder)
    assert yaml.safe_load((none.folder / "config.yaml").read_text())["retrieval"] == "lucene"


def test_a_completed_run_can_be_loaded(untuned):
    none, expected = untuned(retrieval="none"), untuned()
    ranked(none.folder, "--retrieval=okapi")
    loaded = [load_run(one.folder) for one in (none, expected)]
    rows = loaded[0].test_data._dataset.inter_feat
    first, second = (one.model.full_sort_predict(rows) for one in loaded)
    assert first.equal(second)


def test_a_limited_run_is_ranked_as_far_as_it_is_and_still_goes_on(untuned, calrec_settings):
    limited, expected = untuned(retrieval="none", evaluate_minutes=1e-9), untuned()
    ranked(limited.folder, "--retrieval=okapi")
    some = read_ranks(limited.folder)
    assert len(some) == 3
    assert some.equals(read_ranks(expected.folder).loc[some.index])
    assert metrics(limited.folder)["left"] == 5
    rest = untuned(retrieval="none")
    assert rest.folder == limited.folder
    assert not (rest.folder / "ranks.parquet").exists()  # of some users only
    ranked(rest.folder, "--retrieval=okapi")
    assert (rest.folder / "ranks.parquet").read_bytes() == (expected.folder / "ranks.parquet").read_bytes()


def test_moved_data_are_found_and_changed_data_refused(untuned, tiny_dataset, tmp_path, capsys):
    none, expected = untuned(retrieval="none"), untuned()
    shutil.copytree(tiny_dataset, tmp_path / "elsewhere")
    item_file = tiny_dataset / "Tiny" / "Tiny.item"
    item_file.write_text(item_file.read_text().replace("Red Glue", "Red Paste"))
    refused(none.folder, "ran on other data: Tiny.item", capsys)
    ranked(none.folder, "--retrieval=okapi", f"--data_path={tmp_path / 'elsewhere'}")
    assert read_ranks(none.folder).equals(read_ranks(expected.folder))


def refused(folder, message, capsys, *options):
    capsys.readouterr()
    assert main(["rank", f"--run={folder}", *options]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.startswith("error: ")
    assert told.count("\n") == 1


def test_what_cannot_be_ranked_is_told_in_one_line(untuned, tiny_settings, tmp_path, capsys):
    none = untuned(retrieval="none").folder
    refused(
        none,
        "--retrieval=lucen must be one of lucene, okapi, milvus, hierarchical; did you",
        capsys,
        "--retrieval=lucen",
    )
    with alone_in(none):
        refused(none, "another process works in", capsys)
    refused(none, "reranking needs the weights: run_recbole", capsys, "--retrieval=rerank")
    refused(none, "--retrieval=none must be one of", capsys, "--retrieval=none")
    refused(none, "is not empty: give a folder that is not there yet", capsys, f"--out={none.parent}")
    refused(tmp_path / "nowhere", "is not a finished run", capsys)
    refused(run("Pop", overrides=tiny_settings, show=False).folder, "is a run of Pop: only CALRec's keep", capsys)
    (none / "samples.parquet").unlink()
    refused(none, "holds no samples.parquet", capsys)
