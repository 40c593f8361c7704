import pytest

from calrec_recbole.errors import ConfigError, must_be_one_of, not_one_of


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
