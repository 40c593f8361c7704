import logging
import warnings

import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.runs.log_file import logging_to


def test_each_run_has_its_own_file_without_colours(tmp_path, capsys):
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    for name in ("one", "two"):
        with logging_to(tmp_path / name):
            root.info(f"\x1b[1;35mrun\x1b[0m {name}")
            logging.getLogger("urllib3").info("small talk")
            logging.getLogger("urllib3").warning("trouble")
    assert (root.handlers, root.level) == (handlers, level)
    for name in ("one", "two"):
        lines = (tmp_path / name).read_text().splitlines()
        assert [line.partition(" INFO ")[2] or line.partition(" WARNING ")[2] for line in lines] == [
            f"run {name}",
            "trouble",
        ]
    assert "run one" in capsys.readouterr().err


def test_the_level_is_recboles_state(tmp_path):
    with logging_to(tmp_path / "log.txt", "ERROR"):
        logging.getLogger().info("quiet")
    assert (tmp_path / "log.txt").read_text() == ""


def test_seventeen_digits_become_five_and_metrics_stand_in_the_line_of_their_name(tmp_path):
    with logging_to(tmp_path / "log.txt"):
        logging.getLogger().info("valid result: \nmrr_opt : 0.01859482213178483    tiny : 1.2345678901e-05, 0.5, 3.14")
    (line,) = (tmp_path / "log.txt").read_text().splitlines()
    assert line.endswith("INFO valid result: mrr_opt : 0.018595    tiny : 1.2346e-05, 0.5, 3.14")


def test_warnings_stand_in_the_log_and_on_the_terminal(tmp_path, capsys):
    with warnings.catch_warnings(action="default"), logging_to(tmp_path / "log.txt"):
        warnings.warn("3 item texts are longer than 5 tokens and were cut", stacklevel=1)
        with pytest.warns(RuntimeWarning, match="heard"):  # who listens still hears
            warnings.warn("heard", RuntimeWarning, stacklevel=1)
    (line,) = (tmp_path / "log.txt").read_text().splitlines()
    assert line.endswith("WARNING 3 item texts are longer than 5 tokens and were cut")
    assert "were cut" in capsys.readouterr().err


@pytest.mark.parametrize("problem", [DataError("no such\nfile"), KeyboardInterrupt()])
def test_the_log_says_what_ended_a_run(problem, tmp_path, capsys):
    with pytest.raises(type(problem)), logging_to(tmp_path / "log.txt"):
        raise problem
    reason = "no such file" if str(problem) else "KeyboardInterrupt"
    assert (tmp_path / "log.txt").read_text().rstrip().endswith(f"ERROR ended by: {reason}")
    assert capsys.readouterr().err == ""
