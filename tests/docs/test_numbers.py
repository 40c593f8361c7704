"""The check of the numbers that the manual quotes finds what is wrong, on a page made up here."""

import json
import math
import shutil
from dataclasses import dataclass
from types import SimpleNamespace

import pandas as pd
import pytest

from calrec_recbole.errors import DataError
from docs.numbers import claims, pages, rows
from docs.numbers.claims import MEASURED, Above, Below, Says, TableOf, Untraced, check, summary
from docs.numbers.lacking import PAGE, commit_faults, lacking_faults
from docs.numbers.pages import ROOT, Page, agrees
from docs.numbers.rows import Kept, Paper, Source, proportion

TEXT = """# Page

## Table

    run_recbole --model=LIR --dataset=Tiny

| | NDCG@10 | Recall@1 | gain | commit |
|-|-|-|-|-|
| *Ours*† | .1235/.0500 | .2000 | +10.0 % | `abc1234` |
| the paper's | .0565/.0486 | .0142/.0052 | | |

It took 12.5 s. Ours is ahead (p = .04,
below 1e-3 elsewhere), with `alpha: .125`.
"""


@dataclass(frozen=True)
class Row(Source):
    stopped: bool | None = True
    commit: str = "abc1234"

    def value(self, metric, case, part="test"):
        return {"ndcg@10": {"opt": 0.12349, "pes": 0.05}, "recall@1": {"opt": 0.2, "pes": 0.20004}}[metric].get(
            case, math.nan
        )


TABLE = TableOf("Table", {"Ours": Row(), "the paper's": Paper(2, "LIR")}, columns={"gain": lambda row: [10.04]})
SENTENCE = Says("(p = .04, below 1e-3 elsewhere)", [0.0432, Below(0.0007)])


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """The faults of a page with ``text`` under ``claims``."""
    monkeypatch.setattr(pages, "ROOT", tmp_path)

    def of(*claims, text=TEXT, measured=True):
        (tmp_path / "page.md").write_text(text, encoding="utf-8")
        return check("page.md", claims, measured).faults

    return of


def test_a_page_whose_numbers_follow_has_no_faults(faults):
    assert faults(TABLE, SENTENCE) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (".1235", ".1236", "page.md:9: .1236 is quoted, 0.12349 follows"),
        (".1235/.0500", ".1235", "page.md:9: .1235 is quoted, 0.05 follows"),
        (".1235/.0500", ".1235/.0900/.0500", "page.md:9: 3 numbers stand for opt, pes"),
        (".0486", ".0487", "page.md:10: .0487 is quoted, 0.0486 follows"),
        ("+10.0 %", "+10.1 %", "page.md:9: +10.1 is quoted, 10.04 follows"),
        ("= .04", "= .05", "page.md:12: .05 is quoted, 0.0432 follows"),
        ("below 1e-3", "below 1e-4", "page.md:13: 1e-4 is quoted, 0.0007, not below follows"),
        ("p = .04", "p =  .04 ", ""),
        ("is ahead", "is ahead by .0735", "page.md:12: .0735 is traced to no row"),
        ("is ahead", "is 12 % ahead", "page.md:12: 12 is traced to no row"),
        ("elsewhere", "everywhere", "page.md: '(p = .04, below 1e-3 elsewhere)' stands there 0 times"),
        ("†", "", "was stopped by its budget and lacks the mark"),
        ("abc1234", "abc1235", "is of commit abc1234, which its section does not say"),
        ("    run_recbole --model=LIR --dataset=Tiny", "", "12.5 is a measurement without a command in its section"),
        ("| *Ours*", "| Theirs", "no row 'Ours' in the table of 'Table'"),
        ("## Table", "## Tables", "page.md: 0 sections have the title 'Table'"),
    ],
)
def test_what_differs_is_named_with_its_line(faults, old, new, fault):
    assert TEXT.count(old) == 1
    found = faults(TABLE, SENTENCE, text=TEXT.replace(old, new).replace("p =  .04 ", "p =\n.04"))
    assert bool(found) is bool(fault)
    assert fault in " | ".join(found)


def test_a_row_that_was_not_stopped_has_no_mark_and_an_unknown_one_may(faults):
    for stopped, expected in ((False, 1), (None, 0)):
        own = TableOf("Table", {"Ours": Row(stopped=stopped), "the paper's": Paper(2, "LIR")}, columns=TABLE.columns)
        assert len(faults(own, SENTENCE)) == expected


def test_untraced_numbers_need_a_reason_and_what_was_measured_a_command(faults, tmp_path):
    text = "# Page\n\nIt found .250 of them.\n"
    assert faults(text=text) == ["page.md:3: .250 is traced to no row"]
    assert faults(Untraced("from a log that was not kept", ["found .250"]), text=text) == []
    assert faults(Untraced(MEASURED, ["found .250"]), text=text) == [
        "page.md:3: 'found .250' is a measurement without a command in its section"
    ]
    assert faults(Untraced("gone", ["lost .250"]), text=text)[0].startswith("page.md: 'lost .250' stands there 0 times")


def test_the_summary_counts_by_reason(faults, tmp_path):
    (tmp_path / "page.md").write_text(TEXT, encoding="utf-8")
    checked = check("page.md", [TABLE, SENTENCE], True)
    assert summary([checked]) == ["recomputed: 10 numbers on 1 pages", f"not recomputed: 1, {MEASURED}"]


def test_numbers_are_those_of_the_text_and_not_of_code_links_and_versions(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    text = (
        "# A 1.5\n\n`x: 2.5` and [3.5](http://x/4.5) on Python 3.11, 3.12 and 3.13, torch 2.13.0, NDCG@10"
        " <b a='6.5'>\n\n"
        "    python 7.5\n\n```\n8.5\n```\n<!-- 9.5 -->\n"
    )
    (tmp_path / "page.md").write_text(text)
    assert [one.written for one in Page("page.md").numbers] == ["1.5", "3.5"]


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        (".0552", 0.05524, True),
        (".0552", 0.05526, False),
        ("9,471", 9471, True),
        ("+10.8", 10.76, True),
        ("−.0176", -0.01758, True),
        ("-.0176", 0.0176, False),
        ("2e-4", 0.000163, True),
        ("2e-4", 0.000264, False),
        ("-45", -45.4, True),
    ],
)
def test_a_number_stands_for_what_rounds_to_it(written, value, expected):
    assert agrees(written, value) is expected


def test_bounds(faults):
    text = "# Page\n\nmore than .5 of them\n"
    assert faults(Says("more than .5", [Above(0.6)]), text=text) == []
    assert faults(Says("more than .5", [Above(0.4)]), text=text) == [
        "page.md:3: .5 is quoted, 0.4, not above follows (more than .5)"
    ]
    assert "2 are claimed" in faults(Says("more than .5", [0.5, 0.5]), text=text)[0]


def test_the_exact_interval_of_a_share():
    """Without a hit the upper bound solves (1 - p)^n = 0.025."""
    assert proportion(0, 40) == pytest.approx((0.0, 1 - 0.025 ** (1 / 40)))
    assert claims.METRICS["MRR"] == "mrr"


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The results folder ``name``, copied to where it may be changed, as ``Results`` reads it."""
    monkeypatch.setattr(rows, "RESULTS", tmp_path)

    def of(name, file="", old="", new=""):
        shutil.copytree(ROOT / "results" / name, tmp_path / name, dirs_exist_ok=True)
        text = (tmp_path / name / file).read_text() if file else ""
        assert not file or text.count(old) == 1
        if file:
            (tmp_path / name / file).write_text(text.replace(old, new))
        rows.results.cache_clear()
        rows._kept_runs.cache_clear()
        return rows.results(name).faults()

    yield of
    rows.results.cache_clear()
    rows._kept_runs.cache_clear()


def test_what_is_kept_of_a_table_follows_from_its_ranks(copied, tmp_path):
    name = "scientific-lir-okapi"
    assert copied(name) == []
    kept = json.loads((tmp_path / name / "kept.json").read_text())
    (run,) = kept["runs"].values()
    value = run["metrics"]["test"]["ndcg_opt@10"]
    found = copied(name, "kept.json", f'"ndcg_opt@10": {value}', f'"ndcg_opt@10": {value + 1e-4}')
    assert any("LIR: ndcg_opt@10 of kept.json is" in line for line in found)


def test_a_p_value_that_does_not_follow_is_named(copied, tmp_path):
    name = "table8"
    assert copied(name) == []
    frame = pd.read_csv(tmp_path / name / "tests.csv", dtype=str)
    old = frame["t_p"].dropna().iloc[0]
    found = copied(name, "tests.csv", f",{old},", ",0.5,")
    assert [line for line in found if "t_p of" in line and "is 0.5 and follows as" in line]


def _changed(file, places):
    """Changes a cell a column of ``file`` by one percent, of a count by one; (row, column) ``places``."""
    frame = pd.read_csv(file, dtype=str)
    for row, column in places:
        old = frame.loc[row, column]
        frame.loc[row, column] = str(int(old) + 1) if old.isdigit() else repr(float(old) * 1.01)
        assert float(frame.loc[row, column]) != float(old)
    frame.to_csv(file, index=False)
    rows.results.cache_clear()
    rows._kept_runs.cache_clear()


def test_every_column_of_the_tests_follows_from_the_ranks(copied, tmp_path):
    """Mean, difference, their intervals, effect size and all p: a cell of each, of one metric after the other."""
    name = "unisrec-noise"
    assert copied(name) == []
    file = tmp_path / name / "tests.csv"
    frame = pd.read_csv(file)
    others = frame.index[frame["model"] == "per place"]
    columns = frame.columns[3:]
    assert {"units", "mean", "difference_low", "difference_high", "permutation_p", "cohens_d"} <= set(columns)
    changed = {column: others[place % len(others)] for place, column in enumerate(columns)}
    _changed(file, [(row, column) for column, row in changed.items()])
    found = rows.results(name).faults()
    told = {f"results/{name}: per place: {column} of {frame['metric'][row]}" for column, row in changed.items()}
    assert {line.partition(" is ")[0] for line in found if "tests.csv" not in line} == told


@pytest.mark.parametrize("column", ["users", "ndcg_exp@10", "recall_pes@1", "mrr_opt"])
def test_slices_and_all_users_are_held_together(copied, tmp_path, column):
    name = "unisrec-noise"
    shutil.copytree(ROOT / "results" / name, tmp_path / name)
    file = tmp_path / name / "slices.csv"
    frame = pd.read_csv(file)
    row = frame.index[(frame["label"] == "per place") & (frame[column] > 0)][0]
    _changed(file, [(row, column)])
    found = rows.results(name).faults()
    assert found
    assert all(f"per place: {column if '_' in column else ''}" in line for line in found)
    assert all(f"of its slices by {frame['by'][row]} is" in line for line in found)


def test_a_number_of_another_view_follows_from_the_ranks_that_a_table_keeps(monkeypatch):
    ranks = pd.DataFrame({"item_id": list("abc"), "optimistic": [1, 1, 2], "pessimistic": [2, 2, 2]})
    masked = {"optimistic_masked": [None, 1, 1], "pessimistic_masked": [None, 1, 2]}
    of_seeds = {("Tiny", "LIR", 1): ranks.assign(**masked), ("Tiny", "LIR", 2): ranks.assign(**masked).iloc[:2]}
    table = SimpleNamespace(rows=[SimpleNamespace(label="LIR", dataset="Tiny")], ranks=of_seeds)
    monkeypatch.setattr(rows, "results", lambda name: table)
    # Recall@1: (1 + 1/2) / 2 with the first seed, 1 with the second
    assert Kept("x", "LIR").view("recall@1", "exp", "masked") == (3 / 4 + 1) / 2
    with pytest.raises(DataError, match=r"no \*_equivalent columns"):
        Kept("x", "LIR").view("recall@1", "exp", "equivalent")


def test_a_row_without_the_commit_of_its_code_is_named(copied, tmp_path):
    name = "scientific-lir-okapi"
    assert copied(name) == []
    shutil.copytree(ROOT / "results" / "ml-100k-tiger", tmp_path / "ml-100k-tiger")  # of UNKNOWN
    assert commit_faults() == []
    (run,) = json.loads((tmp_path / name / "kept.json").read_text())["runs"].values()
    copied(name, "kept.json", f'"commit": "{run["environment"]["commit"]}"', '"commit": ""')
    (fault,) = commit_faults()
    assert fault.startswith(f"results/{name}: LIR of ")
    shutil.copytree(tmp_path / "ml-100k-tiger", tmp_path / "another")
    assert len(commit_faults()) == 2


def test_what_rows_lack_is_told_by_the_manual(tmp_path, monkeypatch):
    assert lacking_faults() == []
    page = tmp_path / PAGE
    page.parent.mkdir(parents=True)
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    assert text.count("| `table8` | 2 | 2 | 2 | 0 |\n") == 1
    page.write_text(text.replace("| `table8` | 2 | 2 | 2 | 0 |\n", ""), encoding="utf-8")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    (fault,) = lacking_faults()
    assert "`table8` lacks ['2', '2', '2', '0'], the table says nothing" in fault
