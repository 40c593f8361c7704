"""The hashes of the files that a run reads."""

import hashlib
import json

from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.data_settings import SourceSettings
from calrec_recbole.plugin.data.input_hashes import edited_since_prepare, input_files, input_hashes
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.setting_groups import settings_of


def test_hashes_are_those_of_the_files(tiny_settings, tiny_dataset, tmp_path):
    weights = tmp_path / "weights" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"1")
    config = Config("CALRec", config_dict={**tiny_settings, "pre_model_path": str(weights.parent)})
    prepared, sources = prepare(config), settings_of(SourceSettings, config)
    folder = tiny_dataset / "Tiny"
    files = {"inter": folder / "Tiny.inter", "item": folder / "Tiny.item", "pre_model": weights}
    expected = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    assert input_hashes(prepared, sources) == expected
    assert set(files.values()) <= set(input_files(prepared, sources))


def test_what_was_edited_is_named_also_of_other_data_sets(tiny_settings, tiny_dataset, write_dataset):
    write_dataset("Films", {"v0": "mnopq", "v1": "qponm"})
    config = Config("CALRec", config_dict={**tiny_settings, "train_stage": "joint", "joint_datasets": ["Films"]})
    sources = settings_of(SourceSettings, config)
    assert edited_since_prepare(prepare(config), sources) == []  # not made by prepare
    for name in ("Tiny", "Films"):
        files = [tiny_dataset / name / f"{name}.{kind}" for kind in ("inter", "item")]
        wrote = {file.name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()} for file in files}
        (tiny_dataset / name / f"{name}.prepare.json").write_text(json.dumps({"files": wrote}))
    assert edited_since_prepare(prepare(config), sources) == []
    with (tiny_dataset / "Films" / "Films.inter").open("a") as file:
        file.write("v0\tm\t5\n")
    said = "Films.inter was edited since prepare: run calrec check --dataset=Films"
    assert edited_since_prepare(prepare(config), sources) == [said]
    (tiny_dataset / "Tiny" / "Tiny.prepare.json").write_text("[]")
    assert edited_since_prepare(prepare(config), sources)[0].startswith("Tiny.prepare.json was edited")
