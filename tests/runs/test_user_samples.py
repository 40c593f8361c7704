from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.inference import InferenceSettings
from calrec_recbole.runs.user_samples import (
    Origin,
    UserSamples,
    origin_of,
    read_samples,
    sample_key,
    samples_of_users,
    write_samples,
)

PROMPT = np.array([5, 6, 7])
SETTINGS = InferenceSettings(max_new_tokens=80)
DRAWN = [
    UserSamples("test", "u1", "a", [("Title: Tape.", -1.5), ("Glue\n“x”", -0.1 - 0.2)]),
    UserSamples("valid", "u1", "a", [("Title: Tape.", -3.0)], exact=True),  # a repeated purchase: one prompt, one key
    UserSamples("test", "u2", "b", []),
]


def test_samples_come_back_as_they_were(tmp_path):
    file = tmp_path / "new" / "samples.parquet"
    write_samples(file, DRAWN, Origin("7-ab step 3", 1.25))
    assert read_samples(file) == DRAWN
    assert origin_of(file) == ("7-ab step 3", 1.25)
    assert samples_of_users(file, "test") == {"u1": DRAWN[0].samples, "u2": []}
    assert list(pd.read_parquet(file)) == ["split", "user", "key", "text", "logprob", "exact"]
    write_samples(file, [])
    assert read_samples(file) == []
    assert origin_of(file) == ("", 0.0)


def test_files_of_before_the_users_were_named_are_read_and_rank_nobody(tmp_path):
    file = tmp_path / "samples.parquet"
    pd.DataFrame({"key": ["a", "a", "b"], "text": ["x", "y", "x"], "logprob": [-1.0, -2.0, -3.0]}).to_parquet(file)
    assert read_samples(file) == [
        UserSamples("", "", "a", [("x", -1.0), ("y", -2.0)]),
        UserSamples("", "", "b", [("x", -3.0)]),
    ]
    assert origin_of(file) == ("", 0.0)
    with pytest.raises(DataError, match="names no users, an older version wrote it: give its run as pre_model_path"):
        samples_of_users(file, "test")
    with pytest.raises(DataError, match=r"holds no samples\.parquet"):
        samples_of_users(tmp_path / "nowhere" / "samples.parquet", "test")


@pytest.mark.parametrize("kept", [0, 40, -9])
def test_a_damaged_file_is_named(tmp_path, kept):
    write_samples(tmp_path / "samples.parquet", [UserSamples("test", "u", "a", [("red glue", -1.0)] * 40)])
    whole = (tmp_path / "samples.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:kept])
    with pytest.raises(DataError, match=r"cut\.parquet is damaged \(.*remove it"):
        read_samples(tmp_path / "cut.parquet")
    with pytest.raises(DataError, match=r"cut\.parquet is damaged \(.*remove it"):
        origin_of(tmp_path / "cut.parquet")
    pd.DataFrame({"key": ["a"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match=r"other\.parquet is damaged \(it lacks the column text"):
        read_samples(tmp_path / "other.parquet")


def test_a_flipped_byte_is_found(tmp_path):
    file = tmp_path / "samples.parquet"
    write_samples(file, [UserSamples("test", "u", "a", [(f"red glue {n}", -float(n)) for n in range(400)])])
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(DataError, match="is damaged"):
        read_samples(file)


def test_the_key_stands_for_all_that_decides_the_samples():
    own = sample_key(PROMPT, 1, SETTINGS)
    assert own == sample_key(PROMPT.astype(np.int32), 1, SETTINGS)
    for change in ({"n_gen": 16}, {"temperature": 0.6}, {"max_new_tokens": 40}, {"generation_engine": "vllm"}):
        assert sample_key(PROMPT, 1, replace(SETTINGS, **change)) != own
    assert sample_key(PROMPT, 2, SETTINGS) != own
    assert sample_key(PROMPT[:2], 1, SETTINGS) != own
    for change in ({"n_pred": 3}, {"epsilon": 0.0}, {"pooling": "min"}, {"speculate": True}):
        assert sample_key(PROMPT, 1, replace(SETTINGS, **change)) == own


def test_constrained_texts_have_keys_of_their_own():
    constrained = replace(SETTINGS, decoding="constrained")
    own = sample_key(PROMPT, 1, constrained)
    assert own != sample_key(PROMPT, 1, SETTINGS)
    for change in ({"beams": 8}, {"n_pred": 3}):
        assert sample_key(PROMPT, 1, replace(constrained, **change)) != own
    for change in ({"n_gen": 16}, {"temperature": 0.6}, {"epsilon": 0.0}):
        assert sample_key(PROMPT, 1, replace(constrained, **change)) == own
