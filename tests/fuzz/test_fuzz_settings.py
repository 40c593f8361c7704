"""YAML and settings of any kind: the value as it stands, or one line before anything is read."""

import math
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.comparison.experiment import read_experiment
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.setting_files import parse_value, read_settings
from tests.fuzz.fuzz_inputs import VALUES, damaged, fuzzed

PIECES = st.sampled_from(
    [
        *("a: ", "- ", "[", "]", "{", "}", ",", "\n", "  ", "!!int ", "!!bool ", "!!float ", "!!timestamp ", "&x "),
        *("*x", "<<: ", "? ", "2001-13-45", "2001-01-01 25:61:61", "1e5", "0x", "ff", "1:2:3", "~", "'", '"', "#"),
        *("|", ">", "%", "@", "`", "\t", ".inf", "1" * 4400, "!!python/object/apply:os.system [id]", "--- ", "... "),
        *("\ud7ff", "\0", "é"),
    ]
)
YAML = st.lists(PIECES | st.text(max_size=6), max_size=12).map("".join)


@given(YAML)
@fuzzed(12)
def test_a_value_is_yamls_own_or_refused(text):
    try:
        found = parse_value(text, "--x")
    except ConfigError as problem:
        told = str(problem)
    else:
        told = ""
        theirs = yaml.safe_load(text)
        assert found == theirs or isinstance(theirs, str) or not math.isfinite(_first_number(found)) or found != found
    assert "\n" not in told
    assert len(told) < 600


def _first_number(value):
    """NaN is unlike itself, and we read ``1e5`` as a number: such values are not compared."""
    while isinstance(value, list | dict) and value:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return math.nan if isinstance(value, float) else 0.0 if not isinstance(value, list | dict) else math.nan


@given(YAML.map(str.encode) | damaged(b"a: 1\nb: [1, 2]\nc: {d: e}\n"))
@fuzzed(8)
def test_a_file_is_a_mapping_or_refused(content):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.yaml"
        file.write_bytes(content)
        told = ""
        try:
            assert all(isinstance(key, str) for key in read_settings(file))
        except ConfigError as problem:
            told = str(problem)
    assert "\n" not in told


MODELS = ["SASRec", "Pop", "CALRec", "Recformer", "UniSRec", "BERT4RecFull"]
SETTINGS = {
    model: sorted(set(Config(model, "ml-100k").settings) - {"model", "dataset", "data_path", "output_dir"})
    for model in MODELS
}


@given(data=st.data())
@fuzzed(8)
def test_a_setting_is_taken_as_it_is_or_refused(data, may_refuse):
    model = data.draw(st.sampled_from(MODELS))
    keys = data.draw(st.lists(st.sampled_from(SETTINGS[model]), min_size=1, max_size=3))
    wanted = {key: data.draw(VALUES) for key in keys}
    with may_refuse():
        Config(model, "ml-100k", config_dict=wanted)
        numbers = [value for value in wanted.values() if isinstance(value, int | float)]
        assert all(abs(value) <= 2**53 if isinstance(value, int) else math.isfinite(value) for value in numbers)


ROW = b"datasets: [ml-100k]\nmodels: [Pop]\nrows:\n  - {model: LIR, label: a, settings: {retrieval: okapi}, after: b}\n"


@pytest.mark.parametrize("whole", [ROW + b"  - {model: Pop, label: b, show: false}\npaper: 2\nseeds: [1, 2]\n"])
@given(data=st.data())
@fuzzed(4)
def test_an_experiment_is_read_or_refused(whole, data, may_refuse, tmp_path):
    file = tmp_path / "x.yaml"
    file.write_bytes(data.draw(damaged(whole)))
    with may_refuse():
        assert all(isinstance(row.label, str) for row in read_experiment(str(file)).rows)
