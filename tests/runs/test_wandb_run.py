"""wandb by RecBole's settings: against a recorder, and against wandb itself, offline, where it is installed."""

import sys
from types import SimpleNamespace

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run


class Recorder:
    """What is called of the module ``wandb``."""

    def __init__(self):
        self.run, self.started, self.logged, self.ended = None, [], [], []

    def init(self, **settings):
        self.started.append(settings)
        self.run = SimpleNamespace(summary={})
        self.summary = self.run.summary

    def define_metric(self, *_, **__): ...

    def log(self, values, commit=True):
        self.logged.append(values)

    def finish(self, exit_code=0):
        self.ended.append(exit_code)
        self.run = None


@pytest.fixture
def recorder(monkeypatch):
    module = Recorder()
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_calrecs_steps_validations_and_test_go_to_one_run(recorder, calrec_settings):
    settings = {**calrec_settings, "log_wandb": True, "wandb_project": "mine", "report_interval": 3}
    done = run("CALRec", overrides=settings, show=False)
    (started,) = recorder.started
    assert (started["project"], started["dir"], started["id"]) == ("mine", done.folder, None)
    assert started["name"] == f"Tiny/CALRec/{done.folder.name}"
    assert started["config"]["train_steps"] == 6
    steps = [values["train_step"] for values in recorder.logged if "train_step" in values]
    assert steps == [2, 3, 6]
    assert {"train/nats_per_token", "train/learning_rate", "train/memory_mib"} <= set(recorder.logged[0])
    assert "train/tt" not in recorder.logged[0]  # the warm-up has no contrast
    (last,) = [values for values in recorder.logged if values.get("valid_step") == 6]
    assert set(last) >= {"valid/mrr_pes", "valid/nats_per_item"}
    assert recorder.summary["test/mrr_pes"] == done.test["mrr_pes"]
    assert recorder.ended == [0]
    load_run(done.folder)
    assert len(recorder.started) == 1  # reloading is no run


def test_a_failed_run_is_marked_and_an_interrupted_one_goes_on_under_its_id(recorder, tiny_settings, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    settings = {**tiny_settings, "hidden_size": 8, "inner_size": 8, "log_wandb": True}
    with monkeypatch.context() as patch:
        patch.setattr("calrec_recbole.evaluation.RankTable.write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run("SASRec", overrides=settings, show=False)
    assert recorder.ended == [1]
    (recorder.started[0]["dir"] / "wandb" / "run-20260101_120000-abc123").mkdir(parents=True)
    run("SASRec", overrides=settings, show=False)
    assert [started["id"] for started in recorder.started] == [None, "abc123"]


def test_without_wandb_the_run_is_refused_in_one_line_before_it_begins(tiny_settings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"log_wandb=true needs the package wandb .*pip install wandb") as caught:
        run("Pop", overrides={**tiny_settings, "log_wandb": True}, show=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.filterwarnings("default")
def test_wandb_itself_offline(tiny_settings, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)
    done = run("LIR", overrides={**tiny_settings, "retrieval": "okapi", "log_wandb": True}, show=False)
    assert list((done.folder / "wandb").glob("offline-run-*-*/run-*.wandb"))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["dataset", "runs"]
