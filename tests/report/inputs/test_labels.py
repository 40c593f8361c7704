"""The labels of runs that are compared."""

from calrec_recbole.report.inputs.finished_runs import find_runs, read_run
from calrec_recbole.report.inputs.labels import labels


def test_a_label_names_no_more_settings_than_tell_the_runs_apart(write_run, tmp_path):
    write_run("LIR", name="1-a", bm25_b=0.5, epochs=3, text="x")
    write_run("LIR", name="1-b", bm25_b=0.7, epochs=9, text="y")
    write_run("SASRec", name="1-a", epochs=3)
    write_run("SASRec", name="1-b", epochs=9)
    found = labels(find_runs([tmp_path / "runs"])[0])
    assert found == ["LIR (bm25_b=0.5)", "LIR (bm25_b=0.7)", "SASRec (epochs=3)", "SASRec (epochs=9)"]


def test_seeds_share_a_label_and_settings_tell_apart(write_run):
    runs = [
        read_run(write_run("LIR", name=name, seed=seed, retrieval=retrieval))
        for name, seed, retrieval in (("1-a", 1, "lucene"), ("2-b", 2, "lucene"), ("1-c", 1, "okapi"))
    ]
    runs.append(read_run(write_run("SASRec")))
    assert labels(runs) == ["LIR (retrieval=lucene)", "LIR (retrieval=lucene)", "LIR (retrieval=okapi)", "SASRec"]
