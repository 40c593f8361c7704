"""Every error that a user can cause, in one tree.

CalrecError (ValueError)
├── ConfigError     a setting: unknown, of the wrong kind, or out of range
├── DataError       a file or a table that cannot be used as it is
├── BackboneError   a language model or tokenizer that cannot be loaded or does not fit
├── OwnModelError   the code of a model of the user's own has raised
├── ScoreError      scores that cannot be ranked (NaN, wrong shape), a training that diverged
└── StorageError    a disk or a quota that is full
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "BackboneError",
    "CalrecError",
    "ConfigError",
    "DataError",
    "OwnModelError",
    "ScoreError",
    "StorageError",
    "did_you_mean",
    "masked",
    "must_be_one_of",
    "nearest",
    "not_one_of",
]

SECRETS = re.compile(  # scheme://me:secret@host, me:secret@host, ?password=secret
    r"(://)(?:(?!://)\S)*(?=@)|((?:^|[=,\s])(?![\w+.-]+://))[^\s@:/=,]+:\S*(?=@)|([?&]\w*(?:password|secret|token)=)[^&\s]+"
)


class CalrecError(ValueError):
    """What a user can mend; its message is one line that names the setting, its value and the fix."""


class ConfigError(CalrecError):
    """A setting is unknown, of the wrong kind, or out of range."""


class DataError(CalrecError):
    """A file or a table cannot be used as it is."""


class BackboneError(CalrecError):
    """A language model or tokenizer cannot be loaded or does not fit."""


class OwnModelError(CalrecError):
    """The code of a model of the user's own has raised; ``__cause__`` is what."""


class ScoreError(CalrecError):
    """Scores cannot be ranked, or a training has diverged."""


class StorageError(CalrecError):
    """A file cannot be written: the disk or a quota is full."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` with the nearest of ``known``, or ``""`` where none is near."""
    near = nearest(name, known)
    return f"; did you mean '{near}'?" if near else ""


def nearest(name: str, known: Iterable[str], alike: float = 0.5) -> str:
    """The word of ``known`` that is most like ``name``, from 0 to 1 at least ``alike``; empty where none is."""
    by_lower = {word.lower(): word for word in sorted(known)}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=alike)
    return by_lower[near[0]] if near else ""


def masked(text: str) -> str:
    """``text`` with three stars in the place of the users and passwords of its addresses.

    >>> masked("postgresql://me:secret@host/study?password=secret")
    'postgresql://***@host/study?password=***'
    """
    return SECRETS.sub(r"\1\2\3***", text)


def must_be_one_of(setting: str, value: object, known: Iterable[object], hint: str = "") -> None:
    """Raises ``ConfigError`` where ``value`` is none of ``known``; ``hint`` stands in place of the nearest name."""
    if fault := not_one_of(setting, value, known, hint):
        raise ConfigError(fault)


def not_one_of(setting: str, value: object, known: Iterable[object], hint: str = "") -> str:
    """``must_be_one_of`` for who gathers faults: the one line, or ``""`` where ``value`` is one of ``known``."""
    choices = list(known)
    if value in choices:
        return ""
    names = [str(choice).lower() if isinstance(choice, bool) else str(choice) for choice in choices]
    shown = value if setting.startswith("--") else repr(value)  # a word of the command line
    return f"{setting}={shown} must be one of {', '.join(names)}{hint or did_you_mean(str(value), names)}"
