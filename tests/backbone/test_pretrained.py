"""Model folders of others: their code never runs, and what is damaged is one line."""

import builtins
import json
import shutil
import struct

import pytest
from transformers import AutoConfig

from calrec_recbole.backbone import (
    Backbone,
    ScratchSizes,
    load_backbone,
    read_backbone,
    save_backbone,
    scratch_model,
    train_tokenizer,
)
from calrec_recbole.backbone.pretrained import check_size, least_bytes
from calrec_recbole.baselines.recformer.backbone import from_longformer
from calrec_recbole.baselines.recformer.backbone import read_backbone as read_recformer
from calrec_recbole.baselines.text.encoder import TextSettings, encode
from calrec_recbole.errors import CalrecError, ConfigError

CODE = """
from pathlib import Path
Path({marker!r}).write_text("code ran")
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel, PreTrainedTokenizerFast
class C(LlamaConfig):
    model_type = "evil"
class M(LlamaForCausalLM):
    config_class = C
class N(LlamaModel):
    config_class = C
class T(PreTrainedTokenizerFast): pass
"""
AUTO_MAP = {"AutoConfig": "m.C", "AutoModelForCausalLM": "m.M", "AutoModel": "m.N", "AutoTokenizer": ["m.T", "m.T"]}
LOADERS = {
    "backbone": lambda folder: load_backbone(str(folder)),
    "pre_model_path": read_backbone,
    "text_encoder": lambda folder: encode(["a"], folder, TextSettings(str(folder), "mean", 8, folder)),
    "recformer_backbone": lambda folder: from_longformer(str(folder), 8, 6, 60),
    "recformer's own": lambda folder: read_recformer(folder, 8, 6, 60),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder that loads."""
    folder = tmp_path_factory.mktemp("whole")
    tokenizer = train_tokenizer(["Title: Glue.", "Title: Pen."], 300, merge_across_words=True)
    model = scratch_model(ScratchSizes(300, 16, 1, 2, 32, 0.0), len(tokenizer), tokenizer.eos_token_id, 64, seed=1)
    save_backbone(Backbone(model, tokenizer), folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "model")


def change(file, **values):
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.fixture
def trap(folder, tmp_path, monkeypatch):
    """A folder whose module writes ``marker`` when it is imported; whoever is asked answers yes."""
    marker = tmp_path / "marker"
    (folder / "m.py").write_text(CODE.format(marker=str(marker)))
    change(folder / "config.json", model_type="evil", auto_map=AUTO_MAP)
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["m.T", "m.T"]}, tokenizer_class="T")
    asked = []
    monkeypatch.setattr(builtins, "input", lambda *text: asked.append(text) or "y")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    return folder, marker, asked


@pytest.mark.parametrize("setting", LOADERS)
def test_no_code_of_a_folder_runs_and_nobody_is_asked(trap, setting):
    folder, marker, asked = trap
    with pytest.raises(CalrecError) as raised:
        LOADERS[setting](folder)
    assert not marker.exists()
    assert asked == []
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_trap_would_have_worked(trap):
    folder, marker, _ = trap
    AutoConfig.from_pretrained(folder, trust_remote_code=True)
    assert marker.read_text() == "code ran"


@pytest.mark.parametrize(
    "values",
    [
        {"hidden_act": "nothing"},
        {"num_attention_heads": 0},
        {"hidden_size": "wide"},
        {"vocab_size": -3},
        {"model_type": None, "architectures": 7},
        {"num_hidden_layers": 10**12},
        {"vocab_size": 10**12},
        {"rope_parameters": [1]},
        {"eos_token_id": {"a": 1}},
        {"quantization_config": {"quant_method": "gptq"}},
    ],
    ids=str,
)
def test_a_config_of_nonsense_is_one_line(folder, values):
    change(folder / "config.json", **values)
    with pytest.raises(CalrecError) as raised:
        read_backbone(folder)
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"null", b"\xff\xfe", b'{"a": ', b"[" * 100_000], ids=repr)
def test_a_damaged_file_of_a_folder_is_one_line(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(CalrecError) as raised:
        read_backbone(folder)
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


GGUF = b"GGUF" + struct.pack("<IQQ", 3, 0, 0)


@pytest.mark.parametrize(
    "content", [b"", b"GGUF", b"no gguf", GGUF, GGUF[:-3], b"GGUF" + struct.pack("<IQQ", 3, 2**62, 2**62)], ids=repr
)
def test_a_damaged_gguf_is_one_line(tmp_path, content):
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(CalrecError) as raised:
        load_backbone(str(tmp_path / "x.gguf"))
    assert "x.gguf" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_network_that_cannot_fit_is_refused_by_its_config(folder):
    check_size(str(folder))
    change(folder / "config.json", num_hidden_layers=10**12)
    with pytest.raises(ConfigError, match=r"1000000000000 layers, 16 wide.* needs .* and this machine has"):
        check_size(str(folder))


def test_the_least_that_a_network_takes_by_hand():
    # 10 words of 4, and 3 layers of 4 x 4 and twice 4 x 8; 2 bytes each; and three layers' objects
    assert least_bytes(3, 4, 8, 10, 2) == 2 * (40 + 3 * (16 + 64)) + 3 * 20_000
