from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from calrec_recbole.errors import ConfigError
from calrec_recbole.tuning.search_space import ends, inside, read_space, space_file
from calrec_recbole.tuning.tuning_request import TuningRequest

SHIPPED = sorted(Path(__file__).resolve().parents[2].glob("configs/tuning/*.yaml"))


def read(text, tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text(text)
    return read_space(file)


def test_the_grammar(tmp_path):
    text = "a: {low: 1e-4, high: 1, log: true}\nb: {low: 1, high: 3, type: int}\nc: {choices: [x, 2, true]}\n"
    found = read(text, tmp_path)
    assert found == {
        "a": FloatDistribution(1e-4, 1.0, log=True),
        "b": IntDistribution(1, 3),
        "c": CategoricalDistribution(["x", 2, True]),
    }
    assert [ends(one) for one in found.values()] == [[1e-4, 1.0], [1, 3], ["x", 2, True]]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{low: 2, high: 1}", "low=2 must be below high=1: the range is empty"),
        ("{low: 1, high: 1}", "low=1 must be below high=1: the range is empty"),
        ("{low: 0, high: 1, log: true}", "low=0 must be above 0 with log: true"),
        ("{low: 0.5, high: 3, type: int}", "low=0.5 must be a whole number"),
        ("{low: x, high: 3}", "low='x' must be a finite number"),
        ("{low: 0, high: .inf}", "high=inf must be a finite number"),
        ("{low: true, high: 3}", "low=True must be a finite number"),
        ("{low: 0, high: 3, log: 1}", "log=1 must be true or false"),
        ("{low: 0, high: 3, type: text}", "type='text' must be int or float"),
        ("{low: 0}", "high missing"),
        ("{low: 0, hihg: 2}", "'hihg' is unknown; did you mean 'high'?"),
        ("{choices: []}", "choices=[] must be a list of at least one value"),
        ("{choices: 3}", "choices=3 must be a list of at least one value"),
        ("{choices: [[1], 2]}", "choices hold [1], which is neither a number nor a text nor true or false"),
        ("{choices: [1, 1]}", "choices=[1, 1] hold a value twice"),
        ("{choices: [1], low: 2}", "choices exclude low"),
        ("3", "3 must be {low, high, log: true, type: int|float} or {choices: [...]}"),
    ],
)
def test_what_is_no_range_is_told_in_one_line(given, told, tmp_path):
    with pytest.raises(ConfigError) as problem:
        read(f"a: {given}\n", tmp_path)
    assert str(problem.value) == f"search space {tmp_path / 'space.yaml'}: a: {told}"


def test_all_faults_are_told_at_once_and_an_empty_space_is_one(tmp_path):
    with pytest.raises(ConfigError, match=r"a: .* \| b: "):
        read("a: 1\nb: 2\n", tmp_path)
    with pytest.raises(ConfigError, match="is empty"):
        read("", tmp_path)


def test_a_choice_is_inside_with_its_kind():
    choices = CategoricalDistribution([1, "a"])
    assert [inside(choices, value) for value in (1, "a", 1.0, True, None)] == [True, True, False, False, False]
    within = IntDistribution(1, 3)
    assert [inside(within, value) for value in (1, 3, 4, True, "2", None)] == [True, True, False, False, False, False]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_spaces_are_accepted_by_their_models_and_hold_the_defaults(file):
    assert space_file(file.stem).samefile(file)
    fixed = {"selected_features": ["category"]} if file.stem == "FDSA" else {}
    request = TuningRequest(file.stem, "Scientific", read_space(file), settings=fixed)
    base = request.checked()
    assert request.first_trial(base) == request.defaults(base)


def test_every_setting_of_a_shipped_space_has_its_source():
    for file in SHIPPED:
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        assert not [line for line in lines if "  # " not in line], file


def test_a_model_without_a_space_is_told():
    with pytest.raises(
        ConfigError, match=r"no search space is shipped for model=Pop: give --space=FILE; shipped: BERT4"
    ):
        space_file("Pop")
