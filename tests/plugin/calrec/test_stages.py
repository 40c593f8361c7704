"""Stage I, then stage II: from settings to runs."""

import json
import shutil

import pytest
import torch

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.calrec.stages import starting_weights
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from calrec_recbole.setting_files import CONFIGS, shipped_settings
from calrec_recbole.training.loop import Training

FILMS = {"v0": "mnopq", "v1": "qponm", "v2": "mopnq", "v3": "nopqm", "v4": "pqmno"}


@pytest.fixture
def settings(calrec_settings, write_dataset):
    write_dataset("Films", FILMS)
    return calrec_settings


@pytest.fixture
def joint(settings):
    return {**settings, "train_stage": "joint", "joint_datasets": ["Films"], "keep_interval": 3}


def test_a_joint_run_feeds_a_second_stage(settings, joint):
    first = run("CALRec", overrides=joint, show=False)
    seen = json.loads((first.folder / "trained_on.json").read_text())
    assert [(name, entry["held_out"], entry["users"]) for name, entry in seen.items()] == [
        ("Tiny", 2, 8),
        ("Films", 0, 5),
    ]
    assert sorted(path.name for path in (first.folder / "checkpoint").iterdir()) == [
        *("best", "step-3", "step-6", "trained.json")
    ]
    found = json.loads((first.folder / "environment.json").read_text())
    assert {"inter", "item", "Films.inter", "Films.item"} <= set(found["data_sha256"])
    assert found["validated_on"] == "Tiny"

    start = {**settings, "warmup_steps": 0, "pre_model_path": str(first.folder)}
    second = run("CALRec", overrides=start, show=False)
    seen = json.loads((second.folder / "trained_on.json").read_text())
    assert {name: entry["held_out"] for name, entry in seen.items()} == {"Tiny": 2, "Films": 0}
    from_step = run(
        "CALRec", overrides={**start, "pre_model_path": str(first.folder / "checkpoint/step-3")}, show=False
    )
    assert from_step.folder != second.folder


def test_stage_two_starts_from_the_weights_and_the_tokenizer_of_stage_one(settings, joint):
    first = run("CALRec", overrides=joint, show=False)
    before = load_run(first.folder).model.backbone_model.state_dict()
    start = {**settings, "warmup_steps": 0, "learning_rate": 1e-30, "pre_model_path": str(first.folder)}
    loaded = load_run(run("CALRec", overrides=start, show=False).folder)
    after = loaded.model.backbone_model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    tokenizer = loaded.model.recommender.backbone.tokenizer
    assert tokenizer.tokenize(" Films things") != list(" Films things")  # it has seen the other catalogue


def test_a_joint_run_reloads_without_its_other_data_sets(settings, joint, tiny_dataset):
    first = run("CALRec", overrides=joint, show=False)
    expected = first.test
    shutil.rmtree(tiny_dataset / "Films")
    loaded = load_run(first.folder)
    rows = loaded.test_data._dataset.inter_feat
    assert loaded.model.full_sort_predict(rows).shape == (8, 9)
    assert expected["ndcg_opt@10"] >= expected["ndcg_pes@10"]


def test_another_data_set_can_select(joint):
    result = run("CALRec", overrides={**joint, "selection_dataset": "Films", "valid_users": 4}, show=False)
    found = json.loads((result.folder / "environment.json").read_text())
    assert found["validated_on"] == "Films"
    assert found["users"] == {"valid": 4, "test": 8, "test_in_all": 8}
    assert json.loads((result.folder / "trained_on.json").read_text())["Films"]["held_out"] == 1
    assert "4 users of Films" in (result.folder / "log.txt").read_text()


def test_a_killed_joint_run_goes_on_to_the_same_bits(joint, tmp_path, monkeypatch):
    whole = run("CALRec", overrides={**joint, "output_dir": str(tmp_path / "whole")}, show=False)
    one_step = Training._one_step

    def dying(training):
        if training.step == 5:
            raise KeyboardInterrupt
        return one_step(training)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_one_step", dying)
        with pytest.raises(KeyboardInterrupt):
            run("CALRec", overrides=joint, show=False)
    resumed = run("CALRec", overrides=joint, show=False)
    assert "resumed at step 3" in (resumed.folder / "log.txt").read_text()
    assert (resumed.valid, resumed.test) == (whole.valid, whole.test)
    for name in ("best", "step-6"):
        files = [one.folder / "checkpoint" / name / "model.safetensors" for one in (whole, resumed)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_another_objective_is_refused_unless_told_so(settings, joint):
    first = run("CALRec", overrides=joint, show=False)
    start = {**settings, "warmup_steps": 0, "pre_model_path": str(first.folder), "beta": 0.0}
    with pytest.raises(ConfigError, match=r"beta=0.0 after -0.025 in .* allow_other_objective=true"):
        run("CALRec", overrides=start, show=False)
    assert run("CALRec", overrides={**start, "allow_other_objective": True}, show=False).test


def test_a_target_that_stage_one_saw_whole_is_refused(settings, joint, tiny_dataset, write_dataset):
    """By its name, under another name, and through a stage in between."""
    first = run("CALRec", overrides=joint, show=False)
    onto_films = {**settings, "dataset": "Films", "warmup_steps": 0, "pre_model_path": str(first.folder)}
    message = r"was trained on the validation or test items of Films \(as Films, 0 held out\).*joint_targets=\[Films\]"
    with pytest.raises(ConfigError, match=message):
        run("CALRec", overrides=onto_films, show=False)
    write_dataset("Movies9", FILMS)
    shutil.copy(tiny_dataset / "Films" / "Films.inter", tiny_dataset / "Movies9" / "Movies9.inter")
    with pytest.raises(ConfigError, match=r"items of Movies9 \(as Films, 0 held out\)"):
        run("CALRec", overrides={**onto_films, "dataset": "Movies9"}, show=False)
    second = run("CALRec", overrides={**settings, "warmup_steps": 0, "pre_model_path": str(first.folder)}, show=False)
    with pytest.raises(ConfigError, match=r"as Films, 0 held out"):
        run("CALRec", overrides={**onto_films, "pre_model_path": str(second.folder)}, show=False)


def test_a_joint_target_may_be_fine_tuned(settings, joint):
    first = run("CALRec", overrides={**joint, "joint_targets": ["Films"]}, show=False)
    onto_films = {**settings, "dataset": "Films", "warmup_steps": 0, "pre_model_path": str(first.folder)}
    assert run("CALRec", overrides=onto_films, show=False).test


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_stage": "jiont"}, "train_stage='jiont' must be one of finetune, joint; did you mean 'joint'"),
        ({"joint_datasets": ["Films"]}, r"joint_datasets=\['Films'\] needs train_stage=joint, not finetune"),
        (
            {"mixture_power": 2.0, "train_stage": "joint", "joint_datasets": ["Films"]},
            "mixture_power=2.0 must be at most 1",
        ),
        ({"train_stage": "joint", "joint_datasets": ["Films"], "pre_model_path": "x"}, "is for train_stage=finetune"),
        ({"pre_model_path": "no/such/run"}, "pre_model_path=no/such/run holds no weights"),
        ({"keep_interval": -1}, "keep_interval=-1 must be at least 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_line(settings, change, message):
    with pytest.raises(ConfigError, match=message) as caught:
        run("CALRec", overrides={**settings, **change}, show=False)
    assert "\n" not in str(caught.value)


def test_a_plain_model_folder_is_no_run(settings, joint, tmp_path):
    first = run("CALRec", overrides=joint, show=False)
    plain = shutil.copytree(first.folder / "checkpoint" / "best", tmp_path / "plain" / "model")
    with pytest.raises(ConfigError, match="lies in no run folder; give a plain model folder as backbone="):
        run("CALRec", overrides={**settings, "pre_model_path": str(plain)}, show=False)


def test_what_a_run_keeps_is_named(settings, tmp_path):
    kept = tmp_path / "run" / "checkpoint" / "step-40"
    kept.mkdir(parents=True)
    with pytest.raises(ConfigError, match="checkpoint/step-N; it keeps step-40"):
        starting_weights(tmp_path / "run")


def test_the_shipped_stage_one_is_the_papers():
    shipped = shipped_settings("experiment", "paper-joint")
    assert len(shipped["joint_datasets"]) == 14
    assert len(shipped["joint_targets"]) == 6
    assert all((CONFIGS / "dataset" / f"{name}.yaml").is_file() for name in shipped["joint_datasets"])
    assert all(step % shipped["keep_interval"] == 0 for step in (45_000, 105_000, 135_000))  # footnotes 9 and 10
    objective = {**shipped_settings("model", "CALRec"), **shipped}
    assert [objective[name] for name in ("alpha", "beta", "tau_c", "mixture_power")] == [0.125, -0.025, 0.5, 0.3]
    assert shipped_settings("model", "CALRec-Games") == {"beta": 0.0}  # footnote 10
