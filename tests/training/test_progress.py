import json
import math

import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.training.progress import Progress

FRESH = Progress("7-ab", "words")


@pytest.mark.parametrize(
    "progress",
    [FRESH, Progress("7-ab", "words", 4, 0.25, 2, 31.5, {"mrr_opt": 0.25}, users=8, worse=1, seconds=3.5)],
)
def test_a_round_trip_through_plain_json(progress):
    text = json.dumps(progress.saved(), allow_nan=False)
    loaded = Progress.loaded(json.loads(text), FRESH, "here")
    assert loaded.saved() == progress.saved()
    assert loaded.best_score == progress.best_score
    assert math.isnan(loaded.best_nats) == math.isnan(progress.best_nats)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"run": "8-cd"}, "checkpoint here belongs to another run, of other settings or data"),
        ({"vocabulary": "other"}, "checkpoint here belongs to another tokenizer"),
        ({"best_score": "high"}, r"checkpoint here cannot be resumed \(progress\.json: best_score\)"),
        ({"validated": None}, r"\(progress\.json: validated\)"),
        ({"best_result": [1]}, r"\(progress\.json: best_result\)"),
        ({"unheard_of": 1}, r"\(progress\.json: unheard_of\)"),
    ],
)
def test_what_is_something_else_is_refused(change, reason):
    with pytest.raises(DataError, match=reason + ".*: remove it to start anew"):
        Progress.loaded({**FRESH.saved(), **change}, FRESH, "here")


def test_a_value_that_is_missing_is_named():
    saved = FRESH.saved()
    del saved["worse"]
    with pytest.raises(DataError, match=r"progress\.json: worse"):
        Progress.loaded(saved, FRESH, "here")
