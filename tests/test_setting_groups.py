import math
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.setting_groups import (
    check_ranges,
    effective,
    keys_of,
    named,
    no_effect,
    ranged,
    settings_of,
    younger,
)


@dataclass(frozen=True)
class Sizes:
    prefix: ClassVar[str] = "scratch_"

    layers: int = 4
    weight: float = named("lambda", 0.5)
    shown: bool = no_effect(True)
    beams: int = younger(64, neutral=32)
    shares: list[float] = younger([0.5, 0.5], neutral=[0.5, 0.5])
    plain: list[int] = field(default_factory=list)


def test_a_group_takes_its_own_keys_and_keeps_its_defaults_for_what_nobody_set():
    flat = {"scratch_layers": 2, "lambda": 0.1, "scratch_shown": None, "layers": 9}
    found = settings_of(Sizes, {key: flat.get(key) for key in keys_of(Sizes)})
    assert (found.layers, found.weight, found.shown, found.beams) == (2, 0.1, True, 64)
    assert list(keys_of(Sizes)) == [
        *("scratch_layers", "lambda", "scratch_shown", "scratch_beams", "scratch_shares", "scratch_plain"),
    ]


def test_lists_are_not_shared():
    Sizes().shares.append(0.0)
    assert Sizes().shares == [0.5, 0.5]


def test_what_matters_is_what_has_an_effect_and_is_not_neutral():
    flat = {"scratch_layers": 4, "scratch_shown": False, "scratch_beams": 32, "scratch_shares": [0.5, 0.5], "seed": 1}
    assert effective(flat, [Sizes]) == {"scratch_layers": 4, "seed": 1}
    assert effective({"scratch_beams": 64}, [Sizes]) == {"scratch_beams": 64}  # the default is no neutral value
    assert effective(flat, []) == flat


@dataclass(frozen=True)
class Numbers:
    share: float = ranged(0.5, "[0, 1)")
    count: int = ranged(3, "[1, 10]")
    length: int | str = ranged("auto", "auto or (0, inf)")
    loss: float = ranged(-0.5, "(-inf, inf)")


@pytest.mark.parametrize(
    "given",
    [{}, {"share": 0}, {"share": 0.999}, {"count": 10}, {"length": 7}, {"length": "auto"}, {"loss": -1e300}],
)
def test_a_number_in_its_range_passes(given):
    check_ranges(Numbers(**given))


@pytest.mark.parametrize("field", ["share", "count", "length", "loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "1", True, [1], 1j])
def test_what_is_no_finite_number_never_passes(field, value):
    with pytest.raises(ConfigError, match=f"^{field}="):
        check_ranges(Numbers(**{field: value}))


def test_each_bound_is_told_and_all_at_once():
    with pytest.raises(ConfigError) as raised:
        check_ranges(Numbers(share=1.0, count=11, length=0))
    assert str(raised.value) == (
        "share=1.0 must be below 1 | count=11 must be at most 10 | length=0 must be auto, or greater than 0"
    )
