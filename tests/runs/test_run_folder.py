import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.runs.run_folder import claim, is_claimed, run_id
from calrec_recbole.setting_groups import no_effect, younger


@dataclass
class Place:
    output_dir: str = no_effect("runs")
    gpu_id: str = no_effect("0")
    show_progress: bool = no_effect(True)


@dataclass
class Split:
    split: str = younger("leave_one_out", neutral="leave_one_out")
    shares: list[float] = younger([0.8, 0.1, 0.1], neutral=[0.8, 0.1, 0.1])


SETTINGS = {"seed": 7, "learning_rate": 0.1, "output_dir": "runs", "gpu_id": "0"}


def id_of(settings, hashes):
    return run_id(settings, hashes, [Place, Split])


def test_the_id_depends_on_what_changes_numbers_and_on_nothing_else():
    name = id_of(SETTINGS, {"inter": "x"})
    assert name.startswith("7-")
    assert name == id_of({**SETTINGS, "output_dir": "elsewhere", "gpu_id": "", "show_progress": False}, {"inter": "x"})
    assert name != id_of({**SETTINGS, "learning_rate": 0.2}, {"inter": "x"})
    assert name != id_of(SETTINGS, {"inter": "y"})
    assert name == id_of(dict(reversed(SETTINGS.items())), {"inter": "x"})


def test_a_younger_setting_at_its_neutral_value_leaves_the_ids_of_older_runs():
    name = id_of(SETTINGS, {})
    assert name == id_of({**SETTINGS, "split": "leave_one_out", "shares": [0.8, 0.1, 0.1]}, {})
    assert name != id_of({**SETTINGS, "split": "global_time", "shares": [0.8, 0.1, 0.1]}, {})


def test_an_unfinished_folder_is_used_again_clean(tmp_path):
    with claim(tmp_path, "7-ab") as folder:
        (folder / "checkpoint").mkdir()
        (folder / "checkpoint" / "half").touch()
        (folder / "log.txt").touch()
    with claim(tmp_path, "7-ab") as again:
        assert again == folder
        assert list(again.iterdir()) == []


def test_a_trainer_that_resumes_finds_its_checkpoint_and_goes_on_in_its_log(tmp_path):
    with claim(tmp_path, "7-ab") as folder:
        (folder / "checkpoint").mkdir()
        (folder / "log.txt").touch()
    with claim(tmp_path, "7-ab", resumes=True) as again:
        assert sorted(entry.name for entry in again.iterdir()) == ["checkpoint", "log.txt"]


def test_finished_folders_are_kept(tmp_path):
    names = []
    for _ in range(3):
        with claim(tmp_path, "7-ab") as folder:
            names.append(folder.name)
            (folder / "metrics.json").write_text(folder.name)
    assert names == ["7-ab", "7-ab-2", "7-ab-3"]
    assert [(tmp_path / name / "metrics.json").read_text() for name in names] == names


def in_another_process(folder, body):
    """Runs ``body`` (one line of Python) while another process holds ``folder``/7-ab."""
    lines = (
        "import os, pathlib, sys",
        "from calrec_recbole.runs.run_folder import claim",
        "with claim(pathlib.Path(sys.argv[1]), '7-ab') as folder:",
        f"    {body}",
    )
    return subprocess.run([sys.executable, "-c", "\n".join(lines), str(folder)], capture_output=True, text=True)


def test_two_processes_do_not_share_a_folder(tmp_path):
    with claim(tmp_path, "7-ab") as folder:
        (folder / "log.txt").write_text("mine")
        assert "another process works in" in in_another_process(tmp_path, "pass").stderr
        assert (folder / "log.txt").read_text() == "mine"
        with pytest.raises(ConfigError, match="another process works in"), claim(tmp_path, "7-ab"):
            pass


def test_the_lock_ends_with_its_process(tmp_path):
    killed = in_another_process(tmp_path, "(folder / 'log.txt').touch(); os.kill(os.getpid(), 9)")
    assert killed.returncode == -9
    assert os.listdir(tmp_path / "7-ab") == ["log.txt"]
    with claim(tmp_path, "7-ab") as folder:
        assert os.listdir(folder) == []


def _end_in(error, parent, *kept):
    with claim(parent, "1-ab") as folder:
        for name in kept:
            (folder / name).mkdir() if name.endswith("/") else (folder / name).write_text("x")
        raise error("x")


def test_a_folder_of_refused_settings_goes_again(tmp_path):
    with pytest.raises(ConfigError):
        _end_in(ConfigError, tmp_path, "config.yaml", "log.txt", "checkpoint/")
    assert list(tmp_path.iterdir()) == []


ENDS = [("checkpoint", ConfigError), ("curves.csv", ConfigError), ("log.txt", OSError)]


@pytest.mark.parametrize(("kept", "error"), ENDS)
def test_a_folder_with_work_in_it_stays(tmp_path, kept, error):
    with pytest.raises(error):
        _end_in(error, tmp_path, kept)
    assert (tmp_path / "1-ab" / kept).exists()


def test_a_claimed_folder_is_known_from_outside(tmp_path):
    assert not is_claimed(None)
    assert not is_claimed(tmp_path / "nowhere")
    with claim(tmp_path, "1-ab") as folder:
        assert is_claimed(folder)
    assert not is_claimed(folder)
