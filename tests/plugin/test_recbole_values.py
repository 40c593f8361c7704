from dataclasses import dataclass
from math import inf, nan

import pytest

from calrec_recbole.plugin.recbole_values import recbole_faults
from calrec_recbole.setting_groups import ranged


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("epochs", 1.5, "epochs=1.5 must be a whole number"),
        ("epochs", True, "epochs=True must be a whole number"),
        ("dropout_prob", 1, "dropout_prob=1 must be below 1"),
        ("train_neg_sample_args", {"alpha": nan}, "must hold finite numbers only"),
        ("fc_channels", [1, [2, [-inf]]], "must hold finite numbers only"),
        ("learner", "adamm", "learner='adamm' must be one of adam, adamw"),
        ("hidden_act", "x", "hidden_act='x' must be one of gelu, relu"),
        ("state", "loud", "state='loud' must be one of info, debug"),
        ("clip_grad_norm", {"max": 1}, "clip_grad_norm lacks 'max_norm'"),
        ("clip_grad_norm", {"max_norm": "x"}, "clip_grad_norm.max_norm is a str"),
        ("clip_grad_norm", {"max_norm": 1, "a": 1}, "clip_grad_norm.a is a int"),
        ("load_col", {"inter": 1}, "load_col.inter is a int"),
        ("load_col", [1], "load_col is a list, not an object"),
        ("user_inter_num_interval", "[x", "must be an interval"),
        ("item_inter_num_interval", "[5,inf)[", "must be an interval"),
        ("anything", 2**60, "must hold finite numbers only, up to"),
    ],
)
def test_a_value_of_recboles_is_named(key, value, told):
    (fault,) = recbole_faults({key: value}, ())
    assert told in fault


@dataclass
class Own:
    seed: int = ranged(1, "[0, inf)")
    length: int = 3
    learner: str = "muon"


def test_a_group_answers_for_what_it_gives_a_range():
    (fault,) = recbole_faults({"seed": 2**60, "length": 2**60, "learner": "muon"}, [Own])
    assert fault.startswith("length=")


def test_texts_lists_and_what_a_group_owns_pass():
    named = {"learner": "Adam", "state": "INFO", "hidden_act": "gelu", "user_inter_num_interval": "(0,1.5];[3, inf)"}
    shaped = {"clip_grad_norm": {"max_norm": 1, "norm_type": 2}, "load_col": {"inter": ["a"], "item": "*", "x": None}}
    assert list(recbole_faults(named | shaped, ())) == []
    settings = {"epochs": 3, "dropout_prob": 0, "loss_type": "CE", "x": None, "y": [1, "a"], "seed": 2**60, "z": False}
    assert list(recbole_faults(settings, [Own])) == []
