import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.setting_files import faults, parse_arguments, parse_value, read_settings, shipped_settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 0.0001),
        ("-2.5E+3", -2500.0),
        (".5e1", 5.0),
        ("1.0e-4", 0.0001),
        ("10", 10),
        ("[1, 10]", [1, 10]),
        ("[1e-3,2e-3]", [0.001, 0.002]),
        ("true", True),
        ("", None),
        ("~", None),
        ("{LS: valid_and_test}", {"LS": "valid_and_test"}),
        ("a=b", "a=b"),
        ("e5", "e5"),
        ("1e", "1e"),
        ("__import__('os').getpid()", "__import__('os').getpid()"),
        ("print(1)", "print(1)"),
    ],
)
def test_values_are_yaml_and_never_code(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


@pytest.mark.parametrize("text", ["!!python/object/apply:os.getpid []", "!!python/name:os.system ''"])
def test_yaml_tags_do_not_build_objects(text):
    with pytest.raises(ConfigError, match="is not YAML"):
        parse_value(text)


def test_arguments():
    given = parse_arguments(["--model=LIR", "--topk=[1,5]", "--note=a=b=c", "--gpu_id="])
    assert given == {"model": "LIR", "topk": [1, 5], "note": "a=b=c", "gpu_id": None}


def test_recboles_intervals_are_texts():
    given = ["--user_inter_num_interval=[5,inf)", "--item_inter_num_interval=[5,10]"]
    assert parse_arguments(["--model=my_models:", "--dataset=007"]) == {"model": "my_models:", "dataset": "007"}
    assert parse_arguments(given) == {"user_inter_num_interval": "[5,inf)", "item_inter_num_interval": "[5,10]"}
    assert faults({"item_inter_num_interval": [5, 10]}, {}, {"item_inter_num_interval"}, "SASRec")


def test_all_wrong_arguments_are_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_arguments(["--model", "LIR", "-x=1", "--seed=1", "--seed=2"])
    for part in (
        "'--model' is not of the form --key=value",
        "'LIR'",
        "'-x=1'",
        "--seed is given twice, as '1' and '2'",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2001-13-45", "month must be in"),
        ("2001-01-01 25:61:61", "hour must be in"),
        ("!!int x", "invalid literal"),
        ("!!float x", "could not convert"),
        ("!!bool x", "KeyError: 'x'"),
        ("!!timestamp x", "no attribute"),
        ("1" * 5000, "4300"),
        ("0x" + "f" * 9000, "300 digits"),
        ("[" * 100_000, "nested too deeply"),
        ("- " * 3000, "nested too deeply"),
        ("&a [*a]", "holds itself"),
        ('"\\ud800\\udc00"', "surrogates not allowed"),
        ("[&a [x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a], [" + "*b," * 10_000 + "]]", "more than 100000 values"),
    ],
)
def test_a_value_that_yaml_cannot_build_is_one_short_line(text, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        parse_value(text, "--topk")
    assert str(caught.value).startswith("--topk=")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("- a\n- b\n", "must hold 'key: value' lines, not a list"),
        ("a: [1\nb: 2\n", r"is not YAML \(line 2, column 2: "),
        ("1: x\n", "the key 1 is no text but int"),
        ("a: 2001-13-45\n", r"is not YAML \(month must be in 1..12\)"),
        ("a: !!bool x\n", r"is not YAML \(KeyError: 'x'\)"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("just text", "not a str"),
        (b"\xff\xfe", "not UTF-8"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, content, reason):
    file = tmp_path / "settings.yaml"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=reason) as caught:
        read_settings(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_file_changes_nothing(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_settings(tmp_path / "empty.yaml") == {}


def test_faults_name_the_nearest_setting_and_the_wanted_kind():
    defaults = {"learning_rate": 0.1, "epochs": 3, "shuffle": True, "loss_type": "CE", "topk": [1], "free": None}
    given = {
        "learning_rat": 1,
        "epochs": "many",
        "shuffle": 1,
        "loss_type": 3,
        "topk": 5,
        "learning_rate": 1,
        "free": "x",
    }
    assert faults(given, defaults, defaults, "SASRec") == [
        "setting 'learning_rat' is unknown to SASRec; did you mean 'learning_rate'?",
        "epochs='many' must be a whole number",
        "shuffle=1 must be true or false",
        "loss_type=3 must be text",
    ]


def test_shipped_settings_of_a_model_without_a_file_are_empty():
    assert shipped_settings("model", "NoSuchModel") == {}


def test_what_only_prepare_reads_is_left_out():
    assert "prepare" not in shipped_settings("dataset", "Scientific")
