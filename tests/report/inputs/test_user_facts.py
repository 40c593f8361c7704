"""What is known of the test users, kept beside a report."""

import pandas as pd

from calrec_recbole.report.inputs.finished_runs import read_run
from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.inputs.user_facts import facts_file, read_facts, write_facts
from calrec_recbole.report.rows import rows_of

COLUMNS = {
    **{"target": ["a", "b"], "last_item": ["b", "b"], "history_length": [3, 4], "seen_before": [True, False]},
    **{"training_count": [0, 2], "validation_count": [1, 0]},
}
FACTS = pd.DataFrame(COLUMNS, index=pd.Index(["u", "v"], name="user_id"))


def test_one_file_serves_all_runs_on_the_same_data(write_run, tmp_path):
    one, two = (read_run(write_run(model)) for model in ("LIR", "SASRec"))
    assert (
        facts_file(tmp_path, one)
        == facts_file(tmp_path, two)
        == tmp_path / ".cache" / "users-Tiny-0123456789ab.parquet"
    )


def test_they_come_back_as_they_were_and_none_where_nobody_wrote_them(write_run, tmp_path):
    folder = write_run("LIR")
    rows = rows_of(Manifest("x", "X", entries=[Entry("LIR", "LIR", "Tiny", str(folder))]))
    assert read_facts(tmp_path, rows) is None
    write_facts(FACTS, facts_file(tmp_path, read_run(folder)))
    pd.testing.assert_frame_equal(read_facts(tmp_path, rows), FACTS)


def test_a_report_without_a_finished_run_has_none(tmp_path):
    rows = rows_of(Manifest("x", "X", entries=[Entry("LIR", "LIR", "Tiny", "", error="it failed")]))
    assert read_facts(tmp_path, rows) is None
