import logging

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
