"""TensorBoard in the run's folder: for RecBole's models what RecBole writes, for CALRec every measure of its steps."""

import errno

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from calrec_recbole.errors import StorageError
from calrec_recbole.plugin.runner import run
from calrec_recbole.plugin.training.tensorboard import Curves
from calrec_recbole.runs.curves import read_points

VALID = "ndcg_pes@10"


def curves_in(folder):
    """Tag -> [(step, value)], as TensorBoard shows them."""
    found = EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(point.step, point.value) for point in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_nothing_is_written_before_the_first_value_and_nothing_is_lost_after_it(tmp_path):
    curves = Curves(tmp_path / "tensorboard")
    assert not (tmp_path / "tensorboard").exists()
    curves.add_scalar("loss", 0.5, 3)
    assert curves_in(tmp_path / "tensorboard") == {"loss": [(3, 0.5)]}  # while the writer is still open


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    curves = Curves(None)
    curves.add_scalar("loss", 0.5, 3)
    curves.add_hparams({"a": 1}, {"b": 2.0})
    assert list(tmp_path.iterdir()) == []


def test_steps_that_are_done_again_are_shown_once(tmp_path):
    first = Curves(tmp_path)
    for step in (1, 2, 3):
        first.add_scalar("loss", step / 8, step)
    resumed = Curves(tmp_path)
    resumed.begin(0.0, step=2)
    resumed.add_scalar("loss", 0.5, 2)
    assert curves_in(tmp_path) == {"loss": [(1, 0.125), (2, 0.5)]}


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    curves = Curves(tmp_path / "tensorboard")
    curves.add_scalar("loss", 0.5, 1)
    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.flush", full)
    with pytest.raises(StorageError, match=f"{tmp_path}/tensorboard cannot be written"):
        curves.add_scalar("loss", 0.5, 2)


def test_recboles_models_write_what_recbole_writes(tiny_settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1, "epochs": 2}
    done = run("SASRec", overrides={**tiny_settings, **small}, show=False)
    found = curves_in(done.folder / "tensorboard")
    assert [step for step, _ in found["Loss/Train"]] == [step for step, _ in found["Vaild_score"]] == [0, 1]
    assert max(value for _, value in found["Vaild_score"]) == pytest.approx(done.best_valid_score)
    told = {point[0::2][:2]: point.value for point in read_points(done.folder / "curves.csv")}
    assert told[2, "train/loss"] == pytest.approx(found["Loss/Train"][1][1])
    assert [told[step, f"valid/{VALID}"] for step in (1, 2)] == pytest.approx([v for _, v in found["Vaild_score"]])
    assert found["test/mrr_pes"] == [(0, pytest.approx(done.test["mrr_pes"]))]
    assert not (tmp_path / "log_tensorboard").exists()  # RecBole's own place
    off = run("SASRec", overrides={**tiny_settings, **small, "log_tensorboard": False}, show=False)
    assert off.folder.parent == done.folder.parent
    assert off.folder.name == f"{done.folder.name}-2"  # the setting changes no number, so it is the same run again
    assert not (off.folder / "tensorboard").exists()
    assert (off.folder / "curves.csv").is_file()


def test_calrec_writes_every_measure_of_its_steps(calrec_settings):
    done = run("CALRec", overrides={**calrec_settings, "report_interval": 2}, show=False)
    found = curves_in(done.folder / "tensorboard")
    reports = [2, 3, 4, 6]  # every second step and before each validation: at the warm-up's end 2, at 3 and at 6
    for name in ("total", "nig", "nats_per_token", "gradient_norm", "learning_rate", "padding", "tokens_per_second"):
        assert [step for step, _ in found[f"train/{name}"]] == reports, name
    assert [step for step, _ in found["train/tt"]] == [step for step, _ in found["train/ut"]] == [3, 4, 6]
    assert all(50 < value < 50_000 for _, value in found["train/memory_mib"])
    assert all(0 <= value < 0.5 for _, value in found["train/padding"])
    for name in ("mrr_opt", "ndcg_pes@10", "nats_per_item"):
        assert [step for step, _ in found[f"valid/{name}"]] == [2, 3, 6]
    log = (done.folder / "log.txt").read_text()
    assert f"nats a token, gradient {found['train/gradient_norm'][-1][1]:.2f}" in log
