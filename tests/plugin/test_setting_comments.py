"""`run_recbole --model=NAME --help` tells the settings that a run of the model would have, with their comments."""

import pytest

from calrec_recbole.cli.run_recbole import main
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.registry import known_models
from calrec_recbole.plugin.setting_comments import CONFIGS, WIDTH, commented_settings, model_help, read_comments
from calrec_recbole.setting_files import parse_value, read_settings


@pytest.mark.parametrize("model", known_models())
def test_the_defaults_are_those_of_a_run(model):
    found = {one.name: parse_value(one.value, one.name) for one in commented_settings(model, "ml-100k")}
    config = Config(model, "ml-100k")
    assert set(found) <= config.known
    defaults = {name: config.internal_config_dict[name] for name in found}
    assert {name: value for name, value in found.items() if value != defaults[name]} == {}
    assert all(line.startswith((" ", "configs/", "RecBole's", model)) or not line for line in _help(model))


def _help(model: str) -> list[str]:
    return model_help(model).splitlines()


@pytest.mark.parametrize("model", known_models())
def test_every_setting_of_the_models_file_is_told(model):
    file = CONFIGS / "model" / f"{model}.yaml"
    for name in read_settings(str(file)) if file.is_file() else ():
        assert sum(line.startswith(f"  --{name}=") for line in _help(model)) == 1


def test_comments_by_hand(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(
        "# What it is.\n#   a command\n\n# sizes\nwidth: 3  # ours: how\n          # wide\ntext: a#b\n\n"
        "# lists\nnames:  # of columns\n  - one  # not this\n  - {two: 2}\nnothing: ~\n"
    )
    head, settings = read_comments(file)
    assert head == ["What it is.", "  a command"]
    assert [(one.name, one.value, one.comment, one.section) for one in settings] == [
        ("width", "3", "ours: how wide", "sizes"),
        ("text", "a#b", "", "sizes"),
        ("names", "[one, {two: 2}]", "of columns", "lists"),
        ("nothing", "~", "", "lists"),
    ]


def test_a_model_on_a_model_has_the_settings_of_both():
    found = {one.name: one for one in commented_settings("UniSRecID")}
    assert found["n_exps"].comment == "code"
    assert found["n_exps"].file.name == "UniSRec.yaml"


def test_a_bare_source_is_explained_by_recbole():
    comments = {one.name: one.comment for one in commented_settings("FDSAText")}
    assert comments["hidden_size"] == "UniSRec's comparison; The number of features in the hidden state"
    assert comments["text_init"].startswith("ours; random = ")
    assert "RecBole" not in comments["text_init"]


def test_a_data_set_changes_what_its_file_sets():
    assert {one.name: one.value for one in commented_settings("CALRec", "Games")}["beta"] == "0.0"
    assert {one.name: one.value for one in commented_settings("CALRec")}["beta"] == "-0.025"


def test_a_model_without_epochs_has_no_settings_of_them():
    assert "epochs" not in {one.name for one in commented_settings("CALRec")}
    assert "epochs" in {one.name for one in commented_settings("SASRec")}


def test_an_unknown_model_is_named(capsys):
    with pytest.raises(ConfigError, match="did you mean 'CALRec'"):
        commented_settings("CalRec")
    assert main(["--model=CalRec", "--help"]) == 2
    assert capsys.readouterr().err.startswith("error: model='CalRec' is unknown")


def test_the_command_prints_them(capsys):
    assert main(["--model=CALRec", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  --alpha=0.125                   paper 4, weight of L_TT" in lines
    assert "  # objective" in lines
    assert all(len(line) <= WIDTH for line in lines if "item_attributes" not in line)


def test_the_command_without_a_model_tells_of_itself(capsys):
    for arguments in (["--help"], ["-h"]):
        assert main(arguments) == 0
        shown = capsys.readouterr().out
        assert shown.startswith("usage: run_recbole --model=NAME")
        assert "models:" in shown
