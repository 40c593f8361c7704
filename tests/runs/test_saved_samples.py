"""Samples on disk as soon as they are drawn: what a kill, other weights or a damaged part cost."""

import logging

import pytest

from calrec_recbole.runs.run_folder import PARTS, SAMPLES_FILE
from calrec_recbole.runs.saved_samples import SavedSamples
from calrec_recbole.runs.user_samples import Origin, UserSamples, origin_of, read_samples
from calrec_recbole.runs.user_samples import write_samples as write


def of(user, split="test", text="x"):
    return UserSamples(split, user, f"{split} {user}", [(text, -1.0)])


@pytest.fixture
def opened(tmp_path):
    """What the next process finds of a run."""

    def open_again(weights="7-ab step 3"):
        saved = SavedSamples(tmp_path, weights)
        saved.take_up()
        return saved

    return open_again


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_each_batch_is_a_part_that_the_next_process_finds(opened, tmp_path):
    first = opened()
    first.add([of("u1"), of("u2")], 1.5)
    first.add([], 9.0)  # nothing new: no file
    first.add([of("u3")], 0.25)
    assert names(tmp_path / PARTS) == ["part-00000.parquet", "part-00001.parquet"]
    second = opened()
    assert second.users == {("test", user): of(user) for user in ("u1", "u2", "u3")}
    assert second.by_key["test u3"] == of("u3")
    assert second.seconds == 1.75
    second.add([of("u4")])
    assert names(tmp_path / PARTS)[-1] == "part-00002.parquet"


def test_complete_they_are_one_file_in_an_order_of_its_own(opened, tmp_path):
    first = opened()
    first.add([of("u2"), of("u1")], 1.0)
    first.add([of("u9", split="valid")], 2.0)
    first.merge()
    assert names(tmp_path) == [SAMPLES_FILE]
    assert read_samples(tmp_path / SAMPLES_FILE) == [of("u9", split="valid"), of("u1"), of("u2")]
    assert origin_of(tmp_path / SAMPLES_FILE) == ("7-ab step 3", 3.0)
    second = opened()
    second.add([of("u0")], 0.5)
    second.merge()
    assert [one.user for one in read_samples(tmp_path / SAMPLES_FILE)] == ["u9", "u0", "u1", "u2"]
    assert origin_of(tmp_path / SAMPLES_FILE).seconds == 3.5


def test_a_kill_while_they_are_merged_counts_nothing_twice(opened, tmp_path):
    first = opened()
    first.add([of("u1")], 1.0)
    part = tmp_path / PARTS / "part-00000.parquet"
    content = part.read_bytes()
    first.merge()
    part.parent.mkdir()
    part.write_bytes(content)  # as if the kill had come before the parts went
    (part.parent / ".part-00001.parquet.x.tmp").touch()
    second = opened()
    assert (list(second.users), second.seconds) == ([("test", "u1")], 1.0)
    assert names(part.parent) == ["part-00000.parquet"]


def test_two_users_of_one_prompt_are_two(opened, tmp_path):
    saved = opened()
    alike = [UserSamples(split, "u1", "one key", [("x", -1.0)]) for split in ("valid", "test")]
    saved.add(alike[:1])
    saved.add(alike[1:])
    saved.merge()
    assert read_samples(tmp_path / SAMPLES_FILE) == alike


def test_a_damaged_part_costs_itself_alone(opened, tmp_path, caplog):
    first = opened()
    for user in ("u1", "u2", "u3"):
        first.add([of(user)])
    middle = tmp_path / PARTS / "part-00001.parquet"
    middle.write_bytes(middle.read_bytes()[:-20])
    with caplog.at_level(logging.WARNING):
        second = opened()
    assert sorted(user for _, user in second.users) == ["u1", "u3"]
    (line,) = caplog.messages
    assert line.startswith(f"its users are sampled again: {middle} is damaged")
    assert "\n" not in line
    second.add([of("u2", text="again")])
    third = opened()
    assert third.users["test", "u2"].samples == [("again", -1.0)]


@pytest.mark.parametrize("merged", [False, True])
def test_samples_of_other_weights_are_not_taken(opened, tmp_path, caplog, merged):
    first = opened()
    first.add([of("u1")])
    if merged:
        first.merge()
    other = opened("7-ab step 6")
    assert other.users == {}
    assert "was drawn by other weights: its users are sampled again" in caplog.text
    assert not list(tmp_path.rglob("*.parquet"))
    assert opened().users == {}


def test_a_file_that_does_not_say_whose_it_is_is_not_taken(opened, tmp_path):
    write(tmp_path / SAMPLES_FILE, [of("u1")], Origin())
    assert opened().users == {}


def test_several_processes_write_parts_of_their_own(tmp_path):
    first = SavedSamples(tmp_path, "w", world=2)
    second = SavedSamples(tmp_path, "w", world=2)
    first.number, second.number = 4, 5
    for saved, users in ((first, ("u1", "u3")), (second, ("u2", "u4"))):
        for user in users:
            saved.add([of(user)])
    assert names(tmp_path / PARTS) == [f"part-0000{number}.parquet" for number in (4, 5, 6, 7)]


def test_without_a_run_they_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = SavedSamples()
    saved.add([of("u1")])
    assert saved.by_key["test u1"] == of("u1")
    assert names(tmp_path) == []
