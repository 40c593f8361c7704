import numpy as np
import pytest

from calrec_recbole.baselines.text.array_cache import cached_array
from calrec_recbole.errors import ConfigError

ARRAY = np.arange(12, dtype=np.float32).reshape(3, 4)


def never():
    raise AssertionError("the cache should have answered")


def test_a_written_array_is_read_and_not_made_again(tmp_path):
    made = cached_array(tmp_path / "deep" / "a.npy", lambda: ARRAY)
    again = cached_array(tmp_path / "deep" / "a.npy", never)
    assert made.tolist() == again.tolist() == ARRAY.tolist()
    assert isinstance(again, np.memmap)
    assert not again.flags.writeable
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["a.npy"]


def cut(file):
    file.write_bytes(file.read_bytes()[:-40])


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[-40] ^= 1
    file.write_bytes(content)


def of_another_name(file):
    other = file.with_name("b.npy")
    cached_array(other, lambda: ARRAY + 1)
    other.replace(file)


def of_another_program(file):
    np.save(file, ARRAY + 1)


def of_another_kind(file):
    with file.open("wb") as stream:
        np.savez(stream, a=ARRAY)


def empty(file):
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip_a_bit, of_another_name, of_another_program, of_another_kind, empty])
def test_a_damaged_or_foreign_file_is_made_again(damage, tmp_path):
    file = tmp_path / "a.npy"
    cached_array(file, lambda: ARRAY)
    damage(file)
    assert cached_array(file, lambda: ARRAY).tolist() == ARRAY.tolist()
    assert cached_array(file, never).tolist() == ARRAY.tolist()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"text_cache=.*file cannot be written"):
        cached_array(tmp_path / "file" / "a.npy", lambda: ARRAY)
