"""Settings are frozen dataclasses, one a group; here a group is made from the flat settings of a run.

A run's settings are one flat mapping (YAML, ``--key=value``). A group takes from it the keys of its fields: the field's
name behind the group's ``prefix``, or the name that ``named`` gives. A field also says where its number lies, and what
it means for a run's id.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from calrec_recbole.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "WITHIN",
    "check_ranges",
    "effective",
    "group_faults",
    "keys_of",
    "named",
    "no_effect",
    "outside",
    "ranged",
    "settings_of",
    "younger",
]

Group = TypeVar("Group", bound="DataclassInstance")

KEY, EFFECT, NEUTRAL, WITHIN = "key", "effect", "neutral", "within"  # of a field's metadata

_INTERVAL = re.compile(r"(?:(?P<word>\w+) or )?(?P<open>[\[(])(?P<low>\S+), (?P<high>\S+)(?P<close>[\])])")


def ranged(default: Any, within: str) -> Any:
    """A number and where it lies, as mathematics writes it: ``"[0, 1)"``, ``"(0, inf)"``, ``"auto or [1, inf)"``."""
    return _field(default, {}, within)


def no_effect(default: Any, within: str = "") -> Any:
    """A field that does not change a run's numbers: two runs that differ in it alone have one id."""
    return _field(default, {EFFECT: False}, within)


def younger(default: Any, neutral: Any, within: str = "") -> Any:
    """A field younger than some finished runs; at ``neutral`` it leaves their numbers, and so their ids, as they are.

    ``neutral`` never changes; a ``default`` that changes gives new ids.
    """
    return _field(default, {NEUTRAL: neutral}, within)


def named(key: str, default: Any, within: str = "") -> Any:
    """A field whose setting cannot be its name: ``lambda`` is a word of Python's."""
    return _field(default, {KEY: key}, within)


def _field(default: Any, metadata: dict[str, Any], within: str) -> Any:
    metadata = metadata | ({WITHIN: within} if within else {})
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def check_ranges(group: "DataclassInstance", *faults: str) -> None:
    """Raises ``ConfigError`` that names every field of ``group`` whose number lies outside of its range.

    ``faults``: those found otherwise, told with them; empty ones are none.
    """
    found = list(faults)
    for key, one in keys_of(type(group)).items():
        if WITHIN in one.metadata:
            whole = float not in (get_args(one.type) or (one.type,))
            found.append(outside(key, getattr(group, one.name), one.metadata[WITHIN], whole))
    if told := [fault for fault in found if fault]:
        raise ConfigError(" | ".join(told))


def outside(key: str, value: Any, within: str, whole: bool = False) -> str:
    """What is wrong with the number ``value`` of the setting ``key``; empty where it lies ``within`` its range.

    >>> outside("tau_c", 0, "(0, inf)"), outside("beams", 1.5, "[1, inf)", whole=True), outside("b", 0.5, "[0, 1]")
    ('tau_c=0 must be greater than 0', 'beams=1.5 must be a whole number, in [1, inf)', '')
    """
    interval = _INTERVAL.fullmatch(within)
    assert interval, within
    fault = "" if isinstance(value, str) and value == interval["word"] else _fault(value, interval, whole)
    word = f"{interval['word']}, or " if interval["word"] else ""
    return f"{key}={value!r} must be {word}{fault}" if fault else ""


def _fault(value: Any, interval: re.Match[str], whole: bool) -> str:
    """What ``value`` must be and is not."""
    low, high = interval["low"], interval["high"]
    kinds = int if whole else int | float
    endless = isinstance(value, float) and not math.isfinite(value)
    if isinstance(value, bool) or not isinstance(value, kinds) or endless:
        kind = "a whole number" if whole else "a finite number"
        return f"{kind}, in {interval['open']}{low}, {high}{interval['close']}"
    if value < float(low) or (value == float(low) and interval["open"] == "("):
        return f"{'greater than' if interval['open'] == '(' else 'at least'} {low}"
    if value > float(high) or (value == float(high) and interval["close"] == ")"):
        return f"{'below' if interval['close'] == ')' else 'at most'} {high}"
    return ""


def keys_of(group: "type[DataclassInstance]") -> dict[str, "Field[Any]"]:
    """The settings that a group reads, each with its field."""
    prefix = getattr(group, "prefix", "")
    return {one.metadata.get(KEY, prefix + one.name): one for one in fields(group)}


def settings_of(group: type[Group], settings: Any) -> Group:
    """``group`` from flat ``settings``, a mapping or RecBole's; what nobody set, or set to None, keeps its default."""
    given = {one.name: settings[key] for key, one in keys_of(group).items() if key in settings}
    return group(**{name: value for name, value in given.items() if value is not None})


def group_faults(settings: Mapping[str, Any], groups: "Iterable[type[DataclassInstance]]") -> list[str]:
    """What ``groups`` do not take of the flat ``settings``, each fault once."""
    found: dict[str, None] = {}
    for group in groups:
        try:
            settings_of(group, settings)
        except ConfigError as problem:
            found |= dict.fromkeys(str(problem).split(" | "))
    return list(found)


def effective(settings: Mapping[str, Any], groups: "Iterable[type[DataclassInstance]]") -> dict[str, Any]:
    """Keeps the flat ``settings`` that have an effect on a run's numbers, as the fields of ``groups`` say."""
    known = {key: one.metadata for group in groups for key, one in keys_of(group).items()}
    return {key: value for key, value in settings.items() if _matters(value, known.get(key, {}))}


def _matters(value: Any, metadata: Mapping[str, Any]) -> bool:
    return bool(metadata.get(EFFECT, True)) and not (NEUTRAL in metadata and value == metadata[NEUTRAL])
