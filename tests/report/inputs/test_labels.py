"""The labels of runs that are compared."""

import json

from calrec_recbole.report.inputs.finished_runs import find_runs, read_run
from calrec_recbole.report.inputs.labels import labels


def test_a_label_names_no_more_settings_than_tell_the_runs_apart(write_run, tmp_path):
    write_run("LIR", name="1-a", bm25_b=0.5, epochs=3, text="x")
    write_run("LIR", name="1-b", bm25_b=0.7, epochs=9, text="y")
    write_run("SASRec", name="1-a", epochs=3)
    write_run("SASRec", name="1-b", epochs=9)
    found = labels(find_runs([tmp_path / "runs"])[0])
    assert found == ["LIR (bm25_b=0.5)", "LIR (bm25_b=0.7)", "SASRec (epochs=3)", "SASRec (epochs=9)"]


def test_files_of_scores_are_told_by_their_names_and_of_one_name_by_their_content(write_run):
    def of_file(file, content, name):
        folder = write_run("GivenScores", ranks=[(1, 1)], name=name, system="Mine", scores_file=file)
        kept = folder / "environment.json"
        kept.write_text(json.dumps(json.loads(kept.read_text()) | {"data_sha256": {"inter": "0", "scores": content}}))
        return read_run(folder)

    first = of_file("/home/ann/a.csv", "1" * 64, "1-a")
    assert labels([first]) == ["Mine"]
    other = of_file("/home/ann/b.csv", "2" * 64, "1-b")
    assert labels([first, other]) == ["Mine (scores_file=a.csv)", "Mine (scores_file=b.csv)"]
    elsewhere = of_file("/home/bob/a.csv", "3" * 64, "1-c")
    assert labels([first, elsewhere]) == ["Mine (scores_file=a.csv 111111)", "Mine (scores_file=a.csv 333333)"]
    same = of_file("/home/bob/a.csv", "1" * 64, "1-a-2")
    assert labels([first, same]) == ["Mine", "Mine"]


def test_seeds_share_a_label_and_settings_tell_apart(write_run):
    runs = [
        read_run(write_run("LIR", name=name, seed=seed, retrieval=retrieval))
        for name, seed, retrieval in (("1-a", 1, "lucene"), ("2-b", 2, "lucene"), ("1-c", 1, "okapi"))
    ]
    runs.append(read_run(write_run("SASRec")))
    assert labels(runs) == ["LIR (retrieval=lucene)", "LIR (retrieval=lucene)", "LIR (retrieval=okapi)", "SASRec"]


def test_a_tuned_run_is_told_by_that_alone_where_that_tells_it_apart(write_run):
    chosen = {"trials": 20, "cpu_minutes": 3.5, "chosen": {"bm25_k1": 0.7312846, "bm25_b": 0.2}}
    runs = [
        read_run(write_run("LIR", name="1-a", bm25_k1=1.5, bm25_b=0.75)),
        read_run(write_run("LIR", name="1-b", bm25_k1=0.7312846, bm25_b=0.2, tuning=chosen)),
    ]
    assert labels(runs) == ["LIR", "LIR (tuned)"]
    assert labels(runs[1:]) == ["LIR"]
    runs.append(read_run(write_run("LIR", name="1-c", bm25_k1=1.5, bm25_b=0.5)))
    assert labels(runs) == ["LIR (bm25_b=0.75)", "LIR (tuned, bm25_b=0.2)", "LIR (bm25_b=0.5)"]
