"""Comparison files, and the arguments of `calrec compare` above them."""

from argparse import Namespace
from pathlib import Path

import pytest

from calrec_recbole.cli.compare_arguments import experiment_of
from calrec_recbole.comparison import Experiment, Row, read_experiment
from calrec_recbole.comparison.plan import check_unknown, plan, request, resolved, shared_settings
from calrec_recbole.errors import ConfigError
from calrec_recbole.setting_files import CONFIGS

SHIPPED = sorted(file.stem for file in Path(str(CONFIGS), "experiment").glob("*.yaml"))
COMPARISONS = [name for name in SHIPPED if name.startswith("table") or name in ("footnote3", "ml-100k", "modes")]


def given(*settings, **options):
    names = ("dataset", "models", "experiment", "seeds", "config_files", "reference", "jobs", "cores", "gpus")
    return Namespace(**dict.fromkeys(names) | options, settings=list(settings))


def test_rows_come_from_models():
    found = experiment_of(given(dataset="A,B", models="LIR, SASRec", seeds="1,2"))
    assert [row.label for row in found.rows] == ["LIR", "SASRec"]
    assert [(run.dataset, run.row.label, run.seed) for run in plan(found)] == [
        *(("A", "LIR", 1), ("A", "LIR", 2), ("A", "SASRec", 1), ("A", "SASRec", 2)),
        *(("B", "LIR", 1), ("B", "LIR", 2), ("B", "SASRec", 1), ("B", "SASRec", 2)),
    ]


def test_a_setting_of_one_model_reaches_its_row_alone():
    settings = ("--epochs=2", "--CALRec.train_steps=10", "--CALRec.config_files=demo smollm2-135m")
    found = experiment_of(given(*settings, dataset="A", models="LIR,CALRec"))
    assert found.settings == {"epochs": 2}
    lir, calrec = found.rows
    assert (lir.settings, list(lir.config_files)) == ({}, [])
    assert (calrec.settings, calrec.config_files) == ({"train_steps": 10}, ["demo", "smollm2-135m"])


@pytest.mark.parametrize(
    ("options", "settings", "reason"),
    [
        ({"dataset": "A"}, [], r"--models=\.\.\. missing"),
        ({}, [], r"--dataset=\.\.\. and --models=\.\.\. missing"),
        ({"dataset": "A", "models": "sasrek"}, [], "did you mean 'SASRec'"),
        ({"dataset": "A", "models": "LIR,LIR"}, [], "'LIR' stands twice"),
        ({"dataset": "A", "models": "LIR", "seeds": "x"}, [], "--seeds='x' must be whole numbers"),
        ({"dataset": "A", "models": "LIR"}, ["--CALREC.epochs=1"], "no row is called 'CALREC'"),
        ({"dataset": "A", "models": "LIR", "reference": "LIRR"}, [], "did you mean 'LIR'"),
        ({"dataset": "A", "models": "LIR,Pop", "reference": "x"}, [], "reference='x' must be one of LIR, Pop"),
        ({"dataset": "A,A", "models": "LIR"}, [], "data set 'A' stands twice"),
        ({"dataset": "A", "models": "LIR", "seeds": "1,2,1"}, [], "seed 1 stands twice"),
        ({"experiment": "table7", "models": "LIR"}, [], "exclude each other"),
        ({"experiment": "tabel7"}, [], "did you mean 'table7'"),
        ({"experiment": "demo"}, [], "unknown key 'scratch_vocab_size'"),
    ],
)
def test_a_wrong_argument_is_named(options, settings, reason):
    with pytest.raises(ConfigError, match=reason):
        experiment_of(given(*settings, **options))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("row: 1", "unknown key 'row'; did you mean 'rows'"),
        ("datasets: A", "datasets='A' must be a list"),
        ("rows: [LIR]", "must be a list of mappings"),
        ("rows: [{model: LIR, settings: [a]}]", "row LIR: settings is a list, not an object"),
        ("rows: [{model: LIR, label: 3}]", "row 3: label is a int"),
        ("rows: [{model: LIR, datasets: [1]}]", r"row LIR: datasets\[0\] is a int"),
        ("seeds: [one]", r"seeds\[0\] is a str"),
        ("settings: 3", "settings is a int, not an object"),
        ("rows: [{label: x}]", "model is missing"),
        ("rows: [{model: LIR, afer: x}]", "unknown key 'afer'; did you mean 'after'"),
        ("rows: [{model: LIR, label: a, after: b}, {model: LIR, label: b, after: a}]", "the rows form a circle"),
        ("rows: [{model: LIR, after: x}]", "after='x' is no other row's label"),
        ("rows: [{model: LIR, label: a, after: b}, {model: LIR, label: b, after: a}]", "after='a'"),
        ("rows: [{model: LIR, label: a, after: b}, {model: LIR, label: b, first_stage: a}]", "first_stage='a'"),
        ("rows: [{model: LIR, first_stage: x}]", "first_stage='x' is no other row's label"),
        ("rows: [{model: LIR, first_stage: 5}]", "first_stage='5' is no other row's label"),
    ],
)
def test_a_wrong_file_is_named(text, reason, tmp_path):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError, match=reason):
        read_experiment(str(tmp_path / "x.yaml"))


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ("datasets: [A]", {}, "x has no rows: give it models"),
        ("datasets: [A]\nrows: []", {}, "x has no rows: give it models"),
        ("models: [LIR]", {}, "x names no data set: give --dataset=NAME"),
        ("datasets: []\nmodels: [LIR]", {"dataset": "A"}, None),
    ],
)
def test_a_comparison_of_nothing_is_refused(text, options, reason, tmp_path):
    (tmp_path / "x.yaml").write_text(text)
    asked = given(experiment=str(tmp_path / "x.yaml"), **options)
    if reason is None:
        assert len(plan(experiment_of(asked))) == 1
        return
    with pytest.raises(ConfigError, match=reason):
        experiment_of(asked)


@pytest.mark.parametrize("name", COMPARISONS)
def test_shipped_comparisons_can_be_read(name):
    found = read_experiment(name)
    assert found.datasets
    assert shared_settings(found).keys() <= {
        "train_steps",
        "warmup_steps",
        "n_gen",
        "test_users",
        "valid_users",
        "backbone",
    }
    assert len({run.name for run in plan(found)}) == len(plan(found))


def test_the_paper_has_a_command_for_each_table():
    assert {*COMPARISONS} == {
        *(f"table{number}" for number in range(1, 9)),
        *("footnote3", "ml-100k", "table2-full", "table4-full", "table5-small", "table6-small", "modes"),
    }


@pytest.mark.parametrize(("name", "rows"), [("table2-full", 9), ("table4-full", 2)])
def test_the_full_tables_take_stage_i_first_and_games_its_own(name, rows):
    runs = {run.name: run for run in plan(read_experiment(name))}
    assert {name for name in runs if name.startswith("stage I on")} == {"stage I on Scientific", "stage I on Games"}
    for dataset in ("Scientific", "Instruments", "Arts", "Office", "Games", "Pet"):
        source = "stage I on Games" if dataset == "Games" else "stage I on Scientific"
        assert runs[f"CALRec on {dataset}"].sources == {"pre_model_path": [source]}
        assert sum(run.dataset == dataset and run.row.show for run in runs.values()) == rows


def test_a_file_of_all_rows_lies_below_the_command_line(tmp_path):
    (tmp_path / "all.yaml").write_text("epochs: 1\ntopk: [5]\n")
    found = Experiment("x", config_files=[str(tmp_path / "all.yaml")], settings={"epochs": 3})
    assert shared_settings(found) == {"epochs": 3, "topk": [5]}
    with pytest.raises(ConfigError, match="seed=1 is no setting of all rows"):
        shared_settings(Experiment("x", settings={"seed": 1}))


def test_a_request_carries_the_seed_and_where_the_run_starts():
    run = plan(Experiment("x", datasets=["A"], seeds=[7], rows=[Row("CALRec", settings={"alpha": 0.0})]))[0]
    asked = request(run, {"epochs": 1}, {"pre_model_path": [Path("runs/A/CALRec/7-ab")]})
    assert asked["settings"] == {"alpha": 0.0, "seed": 7, "pre_model_path": "runs/A/CALRec/7-ab"}
    assert asked["shared"] == {"epochs": 1}
    answer = {"parent": "runs/A/CALRec", "run_id": "7-cd", "settings": {}, "files": ["dataset/A/A.inter"]}
    assert resolved(run, answer).folder == Path("runs/A/CALRec/7-cd")
    assert resolved(run, answer).data == Path("dataset/A")
    assert resolved(run, {"error": "no data"}).error == "no data"


def test_a_setting_that_no_model_knows_is_an_error_with_a_hint():
    some = [{"unknown": {"train_step": "; did you mean 'train_steps'?"}}, {"unknown": {"train_step": ""}}]
    with pytest.raises(ConfigError, match="'train_step' is known to none of the models; did you mean 'train_steps'"):
        check_unknown(some)
    check_unknown([{"unknown": {"train_steps": ""}}, {"unknown": {}}])  # one model knows it
