"""Settings as users write them: YAML files and ``--key=value``. Values are data; nothing is evaluated as code."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from calrec_recbole.durable_files import write_text
from calrec_recbole.errors import ConfigError, did_you_mean, nearest
from calrec_recbole.stored_files import one_line

__all__ = [
    "SettingsLoader",
    "config_file",
    "faults",
    "hint_for",
    "parse_arguments",
    "parse_value",
    "read_settings",
    "shipped_settings",
    "write_settings",
]

CONFIGS = files("calrec_recbole.configs")

SEPARATORS = ("field_separator", "seq_separator")  # any text, "," and "|" too; quoted, it is YAML

INTERVALS = ("user_inter_num_interval", "item_inter_num_interval")  # "[5,inf)" in RecBole's way, which is not YAML

NAMES = ("model", "dataset")  # "module:" and "007" are texts

EITHER_KIND: dict[str, tuple[type, ...]] = {  # settings that RecBole takes in more than one form
    "topk": (int, list),
    "gpu_id": (str, int, list),
    "metrics": (str, list),
    "lora_targets": (str, list),
    "rerank_weight": (str, float),
    "max_new_tokens": (str, int),
    "speculate": (str, bool),
    "rerank_unseen": (str, float),
    "rerank_from": (str, list),
    "packing": (str, bool),
    "micro_batch_tokens": (str, int),
    "micro_batch_cost": (str, int),
    "load_col": (dict,),
    "clip_grad_norm": (dict,),
    "reranker_CAN_NUM": (int, str),
    **dict.fromkeys(INTERVALS, (str,)),
    # whole numbers in RecBole's files, yet shares:
    "dropout_prob": (float,),
    "hidden_dropout_prob": (float,),
    "global_ratio": (float,),
    "spatial_ratio": (float,),
}

ALIKE = 0.7  # of two names of settings, from 0 to 1: less is another word
LONGEST = 100  # characters of a value that an error shows
LARGEST = 10**300  # every number fits a float
MOST_VALUES = 100_000  # in one file, aliases written out

KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
}


def write_settings(file: Path, settings: Mapping[str, Any], asked: Mapping[str, Any] = MappingProxyType({})) -> None:
    """``settings`` as a YAML file that ``read_settings`` reads; ``asked`` are those that stood otherwise before."""
    head = (
        f"# asked for: {yaml.safe_dump(dict(asked), default_flow_style=True, width=10_000).strip()}\n" if asked else ""
    )
    write_text(file, head + yaml.safe_dump(dict(settings), allow_unicode=True))


class SettingsLoader(yaml.SafeLoader):
    """Safe YAML in which ``1e-4`` is a number, as RecBole's files write it (YAML 1.1 reads it as text)."""


SettingsLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)


def parse_value(text: str, name: str = "value") -> Any:
    """A YAML scalar, list or mapping: ``"1e-4"`` -> 0.0001, ``"[1, 10]"`` -> a list, ``""`` -> None.

    >>> parse_value("__import__('os').getpid()")
    "__import__('os').getpid()"
    """
    if name.removeprefix("--") in INTERVALS:
        return text.strip("\"'")
    if name.removeprefix("--") in NAMES:
        return text.strip().strip("\"'") or None
    if name.removeprefix("--") in SEPARATORS and not (len(text) > 2 and text[0] == text[-1] and text[0] in "\"'"):
        return text.replace("\\t", "\t")
    shown = repr(text) if len(text) <= LONGEST else f"{text[:LONGEST]!r}..."
    return _loaded(text, f"{name}={shown} is not YAML", "quote it")


def parse_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    """``["--key=value", ...]`` -> parsed values; a value may hold ``=``. All faults are reported at once."""
    parsed: dict[str, str] = {}
    wrong = []
    for argument in arguments:
        key, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or not key:
            wrong.append(f"argument {argument!r} is not of the form --key=value")
        elif parsed.setdefault(key, value) != value:
            wrong.append(f"--{key} is given twice, as {parsed[key]!r} and {value!r}")
    if wrong:
        raise ConfigError(" | ".join(wrong))
    return {key: parse_value(value, f"--{key}") for key, value in parsed.items()}


def read_settings(path: str | Path) -> dict[str, Any]:
    """A YAML file that holds one mapping; an empty file is an empty mapping. Raises ``ConfigError`` for other files."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:  # a path may hold a NUL
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"config file {path} cannot be read: {reason}") from None
    found = _loaded(text, f"config file {path} is not YAML", "mend it")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"config file {path} must hold 'key: value' lines, not a {type(found).__name__}")
    for key in found:
        if not isinstance(key, str):
            raise ConfigError(f"config file {path}: the key {key!r} is no text but {type(key).__name__}: quote it")
    return found


def _loaded(text: str, what: str, advice: str) -> Any:
    """The value of YAML. What its constructors raise (a date that does not exist, ``!!int x``) is ours to tell too."""
    try:
        found = yaml.load(text, SettingsLoader)
        _size(found, {})
        return found
    except yaml.YAMLError as problem:
        raise ConfigError(f"{what} ({_place(problem)}): {advice}") from None
    except RecursionError:
        raise ConfigError(f"{what} (it is nested too deeply): {advice}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as problem:
        raise ConfigError(f"{what} ({one_line(problem)}): {advice}") from None


def _size(value: Any, known: dict[int, int]) -> int:
    """How many values there are in ``value``, each alias counted as what it stands for.

    ``known`` holds what was counted, -1 what is being counted. Raises ``ValueError`` for what no setting can mean.
    """
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError("a number has more than 300 digits")
    if isinstance(value, str):
        value.encode()  # raises for a lone surrogate, which no file can hold
    if not isinstance(value, dict | list | tuple | set):
        return 1
    if known.get(id(value), 0) < 0:
        raise ValueError("a list holds itself")
    if id(value) not in known:
        known[id(value)] = -1
        inside = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(one, known) for one in inside)
    if known[id(value)] > MOST_VALUES:
        raise ValueError(f"it stands for more than {MOST_VALUES} values")
    return known[id(value)]


def config_file(name: str | Path) -> Path:
    """A file of the user's; else, for a bare name such as ``demo``, the one of ``configs/experiment/``.

    Raises ``ConfigError`` with the nearest shipped name where there is neither.
    """
    experiments = Path(str(CONFIGS)) / "experiment"
    if Path(name).is_file() or str(name) != Path(name).stem:
        return Path(name)
    shipped = {file.stem: file for file in sorted(experiments.glob("*.yaml"))}
    if str(name) not in shipped:
        hint = did_you_mean(str(name), shipped) or f"; shipped: {', '.join(shipped)}"
        raise ConfigError(f"config file {str(name)!r} is neither a file nor shipped in configs/experiment{hint}")
    return shipped[str(name)]


def shipped_settings(kind: str = "", name: str = "overall") -> dict[str, Any]:
    """Our defaults: ``configs/overall.yaml``, ``configs/model/<name>.yaml`` or ``configs/dataset/<name>.yaml``."""
    file = Path(str(CONFIGS)) / kind / f"{name}.yaml"
    found = read_settings(file) if file.is_file() else {}
    found.pop("prepare", None)  # read by `calrec prepare` only
    return found


def faults(given: Mapping[str, Any], defaults: Mapping[str, Any], known: Iterable[str], model: str) -> list[str]:
    """What is wrong with the settings ``given``: a name that nobody reads, a value of another kind than its default."""
    known = set(known)
    found = []
    for key, value in given.items():
        if key not in known:
            found.append(f"setting {key!r} is unknown to {model}{hint_for(key, known)}")
        elif wanted := _other_kind(key, value, defaults.get(key)):
            found.append(f"{key}={value!r} must be {wanted}")
    return found


def hint_for(key: str, known: Iterable[str]) -> str:
    """Where the unknown setting ``key`` belongs: to other models of ours, or to a name that is spelt nearly so."""
    if of := _owners().get(key):
        return f": it is a setting of {', '.join(of)}"
    own = set(known)
    near = nearest(key, own | set(_owners()), ALIKE)
    if not near:
        return ""
    owned = "" if near in own else f", a setting of {', '.join(_owners()[near])}"
    return f"; did you mean {near!r}{owned}?"


@cache
def _owners() -> dict[str, list[str]]:
    """Setting -> our models whose YAML files name it."""
    found: dict[str, list[str]] = {}
    for file in sorted((Path(str(CONFIGS)) / "model").glob("*.yaml")):
        for key in read_settings(file) if "-" not in file.stem else ():  # the others are of a data set too
            found.setdefault(key, []).append(file.stem)
    return found


def _other_kind(key: str, value: Any, default: Any) -> str | None:
    """What ``value`` should have been, or None where it fits; ``~`` (None) fits where the default is no number."""
    allowed = EITHER_KIND.get(key) or (() if default is None else (type(default),))
    nothing = value is None and not isinstance(default, bool | int | float)
    if nothing or not allowed or type(value) in allowed or (type(value) is int and float in allowed):
        return None
    return " or ".join(KINDS.get(kind, kind.__name__) for kind in allowed)


def _place(problem: yaml.YAMLError) -> str:
    mark = getattr(problem, "problem_mark", None)
    what = getattr(problem, "problem", None) or str(problem)
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}" if mark else " ".join(what.split())
