"""Search spaces as YAML: ``name: {low, high, log, type}`` or ``name: {choices: [...]}``, checked when they are read."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from calrec_recbole.errors import ConfigError, did_you_mean
from calrec_recbole.setting_files import CONFIGS, read_settings

__all__ = ["Space", "ends", "inside", "read_space", "space_file"]

Space = Mapping[str, BaseDistribution]

WORDS = ("low", "high", "log", "type")
SCALARS = (bool, int, float, str)


def space_file(model: str) -> Path:
    """The shipped space of ``model``; ``ConfigError`` where there is none."""
    folder = Path(str(CONFIGS)) / "tuning"
    file = folder / f"{model}.yaml"
    if not file.is_file():
        shipped = ", ".join(sorted(one.stem for one in folder.glob("*.yaml")))
        raise ConfigError(f"no search space is shipped for model={model}: give --space=FILE; shipped: {shipped}")
    return file


def read_space(file: str | Path) -> dict[str, BaseDistribution]:
    """The space in ``file``, in its order. Raises one ``ConfigError`` that lists every fault."""
    given = read_settings(file)
    if not given:
        raise ConfigError(f"search space {file} is empty: name at least one setting")
    found, faults = {}, []
    for name, range_of in given.items():
        try:
            found[name] = _distribution(range_of)
        except ConfigError as problem:
            faults.append(f"{name}: {problem}")
    if faults:
        raise ConfigError(f"search space {file}: {' | '.join(faults)}")
    return found


def _distribution(given: Any) -> BaseDistribution:
    if not isinstance(given, dict) or not given:
        raise ConfigError(f"{given!r} must be {{low, high, log: true, type: int|float}} or {{choices: [...]}}")
    if "choices" in given:
        return _choices(given)
    for word in given:
        if word not in WORDS:
            raise ConfigError(f"{word!r} is unknown{did_you_mean(str(word), (*WORDS, 'choices'))}")
    if lacking := [word for word in ("low", "high") if word not in given]:
        raise ConfigError(f"{' and '.join(lacking)} missing")
    return _interval(given["low"], given["high"], given.get("log", False), given.get("type", "float"))


def _choices(given: Mapping[str, Any]) -> CategoricalDistribution:
    choices = given["choices"]
    if others := sorted(str(word) for word in given if word != "choices"):
        raise ConfigError(f"choices exclude {', '.join(others)}")
    if not isinstance(choices, list) or not choices:
        raise ConfigError(f"choices={choices!r} must be a list of at least one value")
    if wrong := [one for one in choices if not isinstance(one, SCALARS)]:
        raise ConfigError(f"choices hold {wrong[0]!r}, which is neither a number nor a text nor true or false")
    if len({(type(one), one) for one in choices}) < len(choices):
        raise ConfigError(f"choices={choices!r} hold a value twice")
    return CategoricalDistribution(choices)


def _interval(low: Any, high: Any, log: Any, kind: Any) -> BaseDistribution:
    if kind not in ("int", "float"):
        raise ConfigError(f"type={kind!r} must be int or float")
    if not isinstance(log, bool):
        raise ConfigError(f"log={log!r} must be true or false")
    allowed: tuple[type, ...] = (int,) if kind == "int" else (int, float)
    for word, value in (("low", low), ("high", high)):
        if type(value) not in allowed or not math.isfinite(value):
            raise ConfigError(f"{word}={value!r} must be {'a whole' if kind == 'int' else 'a finite'} number")
    if low >= high:
        raise ConfigError(f"low={low!r} must be below high={high!r}: the range is empty")
    if log and low <= 0:
        raise ConfigError(f"low={low!r} must be above 0 with log: true")
    return IntDistribution(low, high, log) if kind == "int" else FloatDistribution(float(low), float(high), log)


def ends(distribution: BaseDistribution) -> list[Any]:
    """The choices, or both ends of the range: where these are accepted, what lies between them is."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return [distribution.low, distribution.high]


def inside(distribution: BaseDistribution, value: Any) -> bool:
    """Whether ``value`` could be drawn.

    >>> inside(FloatDistribution(0.1, 1.0), 0.5), inside(FloatDistribution(0.1, 1.0), "0.5")
    (True, False)
    """
    if isinstance(distribution, CategoricalDistribution):
        return any(type(one) is type(value) and one == value for one in distribution.choices)
    low, high = ends(distribution)
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return numeric and low <= value <= high
