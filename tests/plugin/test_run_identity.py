"""What a comparison asks before it runs anything: the same answers as the runner gives."""

from pathlib import Path

from calrec_recbole.plugin.run_identity import resolve
from calrec_recbole.plugin.runner import run


def asked(model, settings, shared=None, dataset="Tiny"):
    own = {key: value for key, value in settings.items() if key != "dataset"}
    return {"model": model, "dataset": dataset, "config_files": [], "settings": own, "shared": shared or {}}


def test_the_folder_is_the_runners(tiny_settings):
    result = run("Pop", overrides=tiny_settings, show=False)
    found = resolve(asked("Pop", tiny_settings))
    assert Path(found["parent"]) / found["run_id"] == result.folder
    data = Path(tiny_settings["data_path"]) / "Tiny"
    assert found["files"][:2] == [str(data / "Tiny.inter"), str(data / "Tiny.item")]


def test_a_setting_of_all_reaches_those_that_know_it(tiny_settings):
    shared = {"train_step": 5, "train_steps": 100_000, "learning_rate": 0.5}
    pop, calrec = (resolve(asked(model, tiny_settings, shared)) for model in ("SASRec", "CALRec"))
    assert set(pop["unknown"]) == {"train_step", "train_steps"}
    assert calrec["unknown"] == {"train_step": "; did you mean 'train_steps'?"}
    assert pop["settings"]["learning_rate"] == calrec["settings"]["learning_rate"] == 0.5
    assert "train_steps" not in pop["settings"]
    assert calrec["settings"]["train_steps"] == 100_000


def test_a_rows_own_setting_must_be_known(tiny_settings):
    found = resolve(asked("Pop", tiny_settings | {"train_steps": 5}, {"nobody": 1}))
    assert "setting 'train_steps' is unknown to Pop" in found["error"]
    assert list(found["unknown"]) == ["nobody"]  # is known also where the row itself is wrong


def test_missing_data_are_told(tiny_settings):
    assert "did you mean 'Tiny'" in resolve(asked("Pop", tiny_settings, dataset="Tinny"))["error"]


def test_the_weights_that_a_run_starts_from_are_among_its_files(calrec_settings, tmp_path):
    found = resolve(asked("CALRec", calrec_settings | {"pre_model_path": str(tmp_path / "run")}))
    assert str(tmp_path / "run" / "checkpoint" / "best" / "model.safetensors") in found["files"]
