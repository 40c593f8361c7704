"""The hashes of the files that a run reads."""

import hashlib

from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.data_settings import SourceSettings
from calrec_recbole.plugin.data.input_hashes import input_files, input_hashes
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
