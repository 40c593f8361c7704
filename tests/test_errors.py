"""The tree of errors, and the hint at the nearest name."""

import pytest

from calrec_recbole import errors
from calrec_recbole.errors import CalrecError, ConfigError, did_you_mean, masked, must_be_one_of, not_one_of


def test_every_error_is_one_that_a_user_can_mend():
    kinds = [getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)]
    assert len(kinds) == 7
    assert all(issubclass(kind, CalrecError) and issubclass(kind, ValueError) for kind in kinds)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("learning_rat", "; did you mean 'learning_rate'?"),
        ("SASREC", "; did you mean 'SASRec'?"),  # case does not count
        ("zzzzzz", ""),
    ],
)
def test_the_nearest_name_is_told(name, hint):
    assert did_you_mean(name, ["SASRec", "learning_rate"]) == hint


def test_without_names_there_is_no_hint():
    assert did_you_mean("anything", []) == ""


def test_the_line_names_setting_value_choices_and_the_nearest():
    assert not_one_of("pooling", "maxx", ("max", "mean")) == (
        "pooling='maxx' must be one of max, mean; did you mean 'max'?"
    )
    assert not_one_of("pooling", "zzzzz", {"max": 1, "mean": 2}) == "pooling='zzzzz' must be one of max, mean"
    assert not_one_of("--ties", "x", ["file"], " (see --help)") == "--ties=x must be one of file (see --help)"
    assert not_one_of("packing", "yes", ("auto", True, False)).startswith(
        "packing='yes' must be one of auto, true, false"
    )


def test_what_is_one_of_them_passes():
    must_be_one_of("packing", False, ("auto", True, False))
    with pytest.raises(ConfigError, match="packing=None must be one of"):
        must_be_one_of("packing", None, ("auto", True, False))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("--storage=postgresql://me:se/cr@et@host/study", "--storage=postgresql://***@host/study"),
        ("http://me:secret@one:1,http://token@two:2/v1", "http://***@one:1,http://***@two:2/v1"),
        ("mysql+pymysql://host/s?sslpassword=secret&x=1", "mysql+pymysql://host/s?sslpassword=***&x=1"),
        ("--storage=me:secret@host http://one", "--storage=***@host http://one"),
        ("https://host/a?b=c", "https://host/a?b=c"),
        ("somebody@host sqlite:///a.db", "somebody@host sqlite:///a.db"),
    ],
)
def test_what_an_address_keeps_secret_is_not_shown(text, shown):
    assert masked(text) == shown
