import subprocess
import sys

import pytest

from calrec_recbole.backbone.machine_memory import check_memory, machine_memory
from calrec_recbole.errors import ConfigError


def test_what_cannot_fit_is_refused_with_both_sizes(monkeypatch):
    monkeypatch.setattr("calrec_recbole.backbone.machine_memory.machine_memory", lambda: 4 * 2**30)
    check_memory("x", 4 * 2**30, "lower it")
    with pytest.raises(ConfigError, match=r"^x needs 5 GiB at least, and this machine has 4 GiB: lower it$"):
        check_memory("x", 5 * 2**30, "lower it")


def test_a_limit_of_the_process_counts():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33));"
        "from calrec_recbole.backbone.machine_memory import machine_memory; print(machine_memory() <= 2**33)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "True"
    assert machine_memory() > 2**28
