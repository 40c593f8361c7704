"""The hashes of the files that a run reads."""

import hashlib

from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.data_settings import SourceSettings
from calrec_recbole.plugin.data.input_hashes import input_hashes
from calrec_recbole.plugin.data.prepared import prepare


def test_hashes_are_those_of_the_files(tiny_settings, tiny_dataset):
    content = (tiny_dataset / "Tiny" / "Tiny.inter").read_bytes()
    found = input_hashes(prepare(Config("LIR", config_dict=tiny_settings)), SourceSettings())
    assert found["inter"] == hashlib.sha256(content).hexdigest()
    assert set(found) == {"inter", "item"}
