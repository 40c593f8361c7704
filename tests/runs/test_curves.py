"""curves.csv: a row a value, clocks that know of interruptions, and files that a kill cut."""

import time

import pytest

from calrec_recbole.runs.curves import CurvesFile, Point, read_curve, read_points


@pytest.fixture
def clock(monkeypatch):
    """Sets what ``time.perf_counter`` answers."""

    def at(seconds):
        monkeypatch.setattr(time, "perf_counter", lambda: seconds)

    at(100.0)
    return at


def test_each_value_is_a_row_with_the_seconds_of_training(tmp_path, clock):
    curves = CurvesFile(tmp_path / "curves.csv")
    assert not curves.file.exists()
    clock(130.0)
    curves.add({"train/loss": 2.5}, 1)
    clock(160.25)
    curves.add({"valid/mrr_pes": 0.5, "valid/mrr_opt": 0.75}, 1)
    assert curves.file.read_text().splitlines() == [
        "step,seconds,metric,value",
        "1,30.0,train/loss,2.5",
        "1,60.25,valid/mrr_pes,0.5",
        "1,60.25,valid/mrr_opt,0.75",
    ]
    curve = read_curve(curves.file, "valid/mrr_opt")
    assert (curve.steps, curve.minutes, curve.values) == ([1], [60.25 / 60], [0.75])


def test_a_resumed_training_goes_on_where_its_state_was_and_pauses_do_not_count(tmp_path, clock):
    first = CurvesFile(tmp_path / "curves.csv")
    for now, step in ((110.0, 1), (120.0, 2), (130.0, 3)):
        clock(now)
        first.add({"train/loss": step / 4}, step)
    clock(9000.0)  # hours later; the state is of second 20
    again = CurvesFile(tmp_path / "curves.csv")
    again.begin(9000.0 - 20.0, resumed_at=20.0)
    clock(9012.0)
    again.add({"train/loss": 0.75}, 3)
    assert list(read_points(again.file)) == [
        Point(1, 10.0, "train/loss", 0.25),
        Point(2, 20.0, "train/loss", 0.5),
        Point(3, 32.0, "train/loss", 0.75),
    ]


def test_a_row_that_a_kill_cut_goes(tmp_path, clock):
    file = tmp_path / "curves.csv"
    file.write_text("step,seconds,metric,value\n1,5.0,train/loss,0.5\n2,9.0,trai")
    assert [point.step for point in read_points(file)] == [1]
    CurvesFile(file).begin(100.0, resumed_at=9.0)
    assert file.read_text().splitlines() == ["step,seconds,metric,value", "1,5.0,train/loss,0.5"]


def test_without_a_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    curves = CurvesFile(None)
    curves.begin(0.0)
    curves.add({"train/loss": 1.0}, 1)
    assert list(tmp_path.iterdir()) == []
    assert read_curve(tmp_path / "none.csv", "train/loss").values == []


def test_bytes_that_are_no_text_cost_their_row_alone(tmp_path):
    file = tmp_path / "curves.csv"
    file.write_bytes(b"step,seconds,metric,value\n1,5.0,train/loss,0.5\n\xff\xfe\x00,1\n2,9.0,train/loss,0.25\n")
    assert [point.value for point in read_points(file)] == [0.5, 0.25]
