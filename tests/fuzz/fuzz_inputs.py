"""What is damaged, and how. The property is one: a right reading, or one ``CalrecError`` on one line.

``CALREC_FUZZ=1000 python -m pytest tests/fuzz`` tries 1,000 inputs a test; without it a few. The same number gives the
same inputs.
"""

import copy
import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

INPUTS = int(os.environ.get("CALREC_FUZZ", "6"))


def fuzzed(share: float = 1.0) -> Any:
    """Settings of a test that tries ``share`` of the inputs."""
    return settings(
        max_examples=max(1, round(INPUTS * share)),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def damaged(draw: Any, whole: bytes) -> bytes:
    """``whole`` cut, with bytes changed, put in, taken out or twice; of all its bytes the first few most often."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)) | st.integers(0, min(len(data), 64)))
        length = draw(st.integers(0, 40))
        how = draw(st.sampled_from(("cut", "change", "insert", "remove", "repeat")))
        if how == "cut":
            del data[place:]
        elif how == "remove":
            del data[place : place + length]
        elif how == "repeat":
            data[place:place] = data[place : place + length]
        else:
            new = draw(st.binary(min_size=1, max_size=8))
            data[place : place + (len(new) if how == "change" else 0)] = new
    return bytes(data)


TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", "=1+1", "../../x", "a\nb", "\r", "\0", "<b>", "|", "%", "−", "NaN", "1e999", "None", "x" * 300, "\ud7ff", "😀"]
)
NUMBERS = st.sampled_from([0, -1, 1, 7, 10**30, -(10**400), 0.5, -0.0, 1e308, float("nan"), float("inf")])
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)


@st.composite
def changed(draw: Any, value: Any) -> Any:
    """A copy of the JSON ``value`` with one to three of its places of another value, without it, or with more."""
    made = [copy.deepcopy(value)]
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = made
        key: Any = 0
        while isinstance(holder[key], dict | list) and holder[key] and draw(st.integers(0, 4)):
            holder = holder[key]
            key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        how = draw(st.sampled_from(("set", "set", "remove", "add")))
        if how == "remove" and holder is not made:
            del holder[key]
        elif how == "add" and isinstance(holder, dict):
            holder[draw(TEXTS)] = draw(VALUES)
        else:
            holder[key] = draw(VALUES)
    return made[0]


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")
