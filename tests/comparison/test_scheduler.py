"""What is run, what is reused, what follows what; with small programs in the place of runs."""

import time
from pathlib import Path

import pytest

from calrec_recbole.comparison import Row
from calrec_recbole.comparison.lease import Lease
from calrec_recbole.errors import ConfigError
from calrec_recbole.runs.run_folder import alone_in


def row(label, after="", **settings):
    return Row("LIR", label, {"name": label, **settings}, after=after)


def test_a_run_that_a_limit_ended_goes_on(compare):
    compare(row("a"), row("b"))
    (compare.folder / "a" / "metrics.json").write_text('{"valid": {}, "test": {}, "left": 5}')
    (compare.folder / "b" / "metrics.json").write_text('{"valid": {}, "test": {}}')
    found, states = compare(row("a", again="true"), row("b", again="true"))
    assert states == [("a on A", "running"), ("a on A", "done"), ("b on A", "reused")]
    assert found["a"].finished


def test_what_is_finished_is_reused(compare):
    first, states = compare(row("a"), row("b"))
    assert all(one.finished for one in first.values())
    assert states == [("a on A", "running"), ("a on A", "done"), ("b on A", "running"), ("b on A", "done")]
    stamp = (compare.folder / "a" / "metrics.json").read_text()
    _, states = compare(row("a"), row("b"), row("c"))
    assert ("a on A", "reused") in states
    assert ("c on A", "done") in states
    assert (compare.folder / "a" / "metrics.json").read_text() == stamp


def test_a_failure_ends_that_run_alone_and_what_follows_it(compare):
    ended, states = compare(row("a", fail=1), row("b"), row("c", after="a"), row("d", wrong=True))
    assert ended["a"].error == "it cannot"
    assert ended["b"].finished
    assert ended["c"].error == "it starts from 'a on A', which failed"
    assert ended["d"].error == "d is wrong"
    assert {name for name, state in states if state == "failed"} == {"a on A", "c on A", "d on A"}


def test_a_stage_follows_the_run_it_starts_from(compare):
    ended, _ = compare(row("second", after="first"), row("first"))
    assert ended["second"].settings["start"] == str(compare.folder / "first")
    started, finished = compare.folder / "second" / "started", compare.folder / "first" / "metrics.json"
    assert float(started.read_text()) > float(finished.read_text())


def test_a_run_may_start_from_two_others(compare):
    both = Row("LIR", "both", {"name": "both"}, after="a", first_stage="b")
    ended, _ = compare(both, row("a"), row("b"))
    started = ended["both"].settings
    assert (started["start"], started["candidates"]) == (str(compare.folder / "a"), str(compare.folder / "b"))


def test_a_run_may_take_several_as_first_stage(compare):
    ended, _ = compare(Row("LIR", "all", {"name": "all"}, first_stage=["a", "b"]), row("a"), row("b"))
    assert ended["all"].settings["candidates"] == [str(compare.folder / name) for name in "ab"]


def test_a_run_waits_for_both_it_starts_from(compare):
    both = Row("LIR", "both", {"name": "both"}, after="a", first_stage="b")
    ended, _ = compare(both, row("a"), row("b", fail=1))
    assert ended["both"].error == "it starts from 'b on A', which failed"


def test_several_run_at_once(compare):
    """Each waits until the other has started."""
    ended, _ = compare(row("a", meets="b"), row("b", meets="a"), jobs=2)
    assert [one.error for one in ended.values()] == ["", ""]


def test_two_rows_of_one_run_share_it(compare):
    ended, states = compare(row("a"), Row("LIR", "b", {"name": "a"}))
    assert ended["a"].folder == ended["b"].folder
    assert states == [("a on A", "running"), ("a on A", "done"), ("b on A", "reused")]


def test_a_setting_that_no_model_knows_stops_it_before_any_run(compare):
    with pytest.raises(ConfigError, match="'nobody' is known to none"):
        compare(row("a"), shared={"nobody": 1})
    assert not compare.folder.exists()
    compare(row("a"), shared={"known": 1})


def test_an_interrupt_stops_the_children(compare, monkeypatch):
    def interrupt(self):
        if (compare.folder / "a" / "started").exists():
            raise KeyboardInterrupt

    monkeypatch.setattr(compare.watcher, "refresh", interrupt)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        compare(row("a", sleep=300))
    assert time.monotonic() - begun < 60
    assert not (compare.folder / "a" / "metrics.json").exists()


def test_a_row_without_its_stage_on_a_data_set(compare):
    first = Row("LIR", "first", {"name": "first"}, datasets=["B"])
    ended, _ = compare(row("second", after="first"), first)
    assert ended["second"].error == "it starts from 'first on B', which is no run here: add its data set"
    assert Path(compare.folder, "second").exists() is False


def test_a_run_that_another_comparison_is_at_is_waited_for_and_never_started(compare, monkeypatch, tmp_path):
    other, told = Lease(tmp_path / "logs" / "A-LIR-a.lease"), compare.watcher.tell
    assert other.take()

    def finish(self, name, state, run):
        told(self, name, state, run)
        if state == "waiting":
            (compare.folder / "a").mkdir(parents=True)
            (compare.folder / "a" / "metrics.json").write_text("{}")
            other.give_back()

    monkeypatch.setattr(compare.watcher, "tell", finish)
    ended, states = compare(row("a"), row("b"))
    assert states[:2] == [("a on A", "waiting"), ("b on A", "running")]
    assert ("a on A", "reused") in states
    assert ("a on A", "running") not in states
    assert ended["a"].finished
    assert not (compare.folder / "a" / "started").exists()


def test_a_folder_that_a_run_works_in_is_waited_for(compare, monkeypatch):
    (compare.folder / "a").mkdir(parents=True)
    block, told = alone_in(compare.folder / "a"), compare.watcher.tell
    block.__enter__()

    def leave(self, name, state, run):
        told(self, name, state, run)
        if state == "waiting":
            block.__exit__(None, None, None)

    monkeypatch.setattr(compare.watcher, "tell", leave)
    _, states = compare(row("a", again=1))
    assert states == [("a on A", "waiting"), ("a on A", "running"), ("a on A", "done")]
