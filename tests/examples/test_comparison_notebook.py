"""The notebook's cells, run in their order in an empty folder."""

import json
import math
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "comparison.ipynb"


@pytest.fixture(scope="module")
def cells():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return notebook["cells"]


def test_no_output_is_kept_and_each_cell_has_a_name(cells):
    assert len({cell["id"] for cell in cells}) == len(cells)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_it_runs_as_it_stands(cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    table, ranks = names["table"], names["ranks"]
    for model, row in table.iterrows():
        assert row["ndcg_pes@10"] <= row["ndcg_exp@10"] <= row["ndcg_opt@10"]
        users = [1 / math.log2(rank + 1) if rank <= 10 else 0.0 for rank in ranks[model]["pessimistic"]]
        assert row["ndcg_pes@10"] == pytest.approx(sum(users) / len(users))
    assert len(ranks["Pop"]) == len(ranks["LIR"]) > 900
