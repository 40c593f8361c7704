"""A disk that fills up while CALRec trains: one line, the last good checkpoint stays, and the run goes on later."""

import logging
import os
import resource
import subprocess
from contextlib import contextmanager

import pytest

from calrec_recbole.cli.run_recbole import main
from calrec_recbole.errors import StorageError
from calrec_recbole.plugin.runner import run
from calrec_recbole.runs.log_file import logging_to
from calrec_recbole.training import Training


@contextmanager
def limited(folder):
    """No file of this process may grow beyond 50 kB: the kernel refuses as it does on a full disk (a state has 90)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        yield "File too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def filled(folder):
    """A file system of its own with 50 kB left."""
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    (folder / "filler").write_bytes(bytes(free - 50_000))
    yield "No space left on device"
    (folder / "filler").unlink()


@pytest.fixture
def output_dir(request, tmp_path):
    """On a real small disk for the test that fills it."""
    folder = tmp_path / "runs"
    folder.mkdir()
    if request.param is limited:
        yield folder, limited
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs is not allowed here: {mounted.stderr.strip()}")
    yield folder, filled
    subprocess.run(["umount", "--lazy", folder], check=True)  # the failed run's curves may still be open


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("output_dir", [limited, filled], indirect=True, ids=["limit", "disk"])
def test_training_stops_with_one_line_and_goes_on_when_there_is_space(
    output_dir, calrec_settings, tmp_path, monkeypatch, capsys
):
    runs, shortage = output_dir
    settings = {**calrec_settings, "checkpoint_minutes": 0.0}
    whole = run("CALRec", overrides={**settings, "output_dir": str(tmp_path / "whole")}, show=False)
    original = Training._one_step

    def interrupted(self):
        if self.step == 2:
            raise KeyboardInterrupt
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_one_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run("CALRec", overrides=settings, show=False)
    (checkpoint,) = runs.glob("Tiny/CALRec/*/checkpoint")
    before = contents(checkpoint)
    assert {path.parts[0] for path in before} == {"best", "last"}
    capsys.readouterr()
    with shortage(runs) as reason:
        assert main(["--model=CALRec", *(f"--{key}={value}" for key, value in settings.items()), "--state=ERROR"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: {checkpoint}/last cannot be written ({reason}): free space there and start the ")
    assert contents(checkpoint) == before
    assert sorted(path.name for path in checkpoint.iterdir()) == ["best", "last"]
    resumed = run("CALRec", overrides=settings, show=False)
    assert (resumed.test, resumed.valid) == (whole.test, whole.valid)
    best = [one.folder / "checkpoint" / "best" / "model.safetensors" for one in (whole, resumed)]
    assert best[0].read_bytes() == best[1].read_bytes()


def test_a_log_that_cannot_be_written_is_named(tmp_path, capsys):
    named = pytest.raises(StorageError, match=r"log\.txt cannot be written \(File too large\)")
    with logging_to(tmp_path / "log.txt"), limited(tmp_path), named:
        logging.getLogger().info("x" * 60_000)
    assert "Logging error" not in capsys.readouterr().err
