"""A comparison and its runs live and die together."""

import os
import signal
import subprocess
import sys
import time

import pytest

from calrec_recbole.comparison.lease import Lease

PARENT = """
import sys, time
from pathlib import Path
from calrec_recbole.comparison import process
from calrec_recbole.comparison.lease import Lease
process.START = (
    "import os, time, pathlib; from calrec_recbole.comparison import lease; {off}"
    "lease.end_with_parent(); pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(300)"
)
lease = Lease(Path("x.lease"))
assert lease.take()
process.RunProcess(process.interpreter([]), Path("out.txt"), 1, lease=lease.descriptor)
time.sleep(300)
"""


def test_a_lease_is_one_processs_until_it_is_given_back(tmp_path):
    one, two = Lease(tmp_path / "new" / "x.lease"), Lease(tmp_path / "new" / "x.lease")
    assert one.take()
    assert one.take()
    assert not two.take()
    one.give_back()
    assert two.take()
    two.give_back()


def alive(pid):
    """A zombie, which nobody in a container may wait for, is not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
@pytest.mark.parametrize("off", ["", "lease.sys.platform = 'other'; "], ids=["both ways", "the pipe alone"])
def test_a_killed_comparison_takes_its_run_with_it(tmp_path, off):
    parent = subprocess.Popen([sys.executable, "-c", PARENT.replace("{off}", off)], cwd=tmp_path)
    try:
        until(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text())
        run = int((tmp_path / "pid").read_text())
        assert alive(run)
        assert not Lease(tmp_path / "x.lease").take()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until(lambda: not alive(run))
        lease = Lease(tmp_path / "x.lease")
        until(lease.take)
        lease.give_back()
    finally:
        parent.kill()
        parent.wait()
