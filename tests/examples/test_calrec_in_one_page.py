"""The example runs as a reader would run it, without RecBole and Java, and learns."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "calrec_in_one_page.py"
CODE = """
import json, runpy, sys
found = runpy.run_path(sys.argv[1])["main"]()
found["loaded"] = [name for name in ("recbole", "jnius", "calrec_recbole.plugin") if name in sys.modules]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    done = subprocess.run([sys.executable, "-c", CODE, EXAMPLE], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_it_loads_neither_recbole_nor_java(found):
    assert found["loaded"] == []


def test_it_learns_and_ranks_better_than_a_random_order(found):
    random_order = (1 / np.log2(np.arange(2, 12))).sum() / 16  # expected NDCG@10 among 16 items: 0.284
    assert found["last_loss"] < found["first_loss"] / 4
    assert random_order + 0.1 < found["ndcg_pes@10"] <= found["ndcg_opt@10"] <= 1


def test_it_is_one_page():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 130
