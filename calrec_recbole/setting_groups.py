"""Settings are frozen dataclasses, one a group; here a group is made from the flat settings of a run.

A run's settings are one flat mapping (YAML, ``--key=value``). A group takes from it the keys of its fields: the field's
name behind the group's ``prefix``, or the name that ``named`` gives. A field also says what it means for a run's id.
"""

from collections.abc import Iterable, Mapping
from dataclasses import Field, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["effective", "keys_of", "named", "no_effect", "settings_of", "younger"]

Group = TypeVar("Group", bound="DataclassInstance")

KEY, EFFECT, NEUTRAL = "key", "effect", "neutral"  # of a field's metadata


def no_effect(default: Any) -> Any:
    """A field that does not change a run's numbers: two runs that differ in it alone have one id."""
    return field(default=default, metadata={EFFECT: False})


def younger(default: Any, neutral: Any) -> Any:
    """A field younger than some finished runs; at ``neutral`` it leaves their numbers, and so their ids, as they are.

    ``neutral`` never changes; a ``default`` that changes gives new ids.
    """
    return _field(default, {NEUTRAL: neutral})


def named(key: str, default: Any) -> Any:
    """A field whose setting cannot be its name: ``lambda`` is a word of Python's."""
    return _field(default, {KEY: key})


def _field(default: Any, metadata: dict[str, Any]) -> Any:
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def keys_of(group: "type[DataclassInstance]") -> dict[str, "Field[Any]"]:
    """The settings that a group reads, each with its field."""
    prefix = getattr(group, "prefix", "")
    return {one.metadata.get(KEY, prefix + one.name): one for one in fields(group)}


def settings_of(group: type[Group], settings: Any) -> Group:
    """``group`` from flat ``settings``, a mapping or RecBole's; what nobody set, or set to None, keeps its default."""
    given = {one.name: settings[key] for key, one in keys_of(group).items() if key in settings}
    return group(**{name: value for name, value in given.items() if value is not None})


def effective(settings: Mapping[str, Any], groups: "Iterable[type[DataclassInstance]]") -> dict[str, Any]:
    """Keeps the flat ``settings`` that have an effect on a run's numbers, as the fields of ``groups`` say."""
    known = {key: one.metadata for group in groups for key, one in keys_of(group).items()}
    return {key: value for key, value in settings.items() if _matters(value, known.get(key, {}))}


def _matters(value: Any, metadata: Mapping[str, Any]) -> bool:
    return bool(metadata.get(EFFECT, True)) and not (NEUTRAL in metadata and value == metadata[NEUTRAL])
