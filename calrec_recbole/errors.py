"""Every error that a user can cause, in one tree.

CalrecError (ValueError)
├── ConfigError     a setting: unknown, of the wrong kind, or out of range
├── DataError       a file or a table that cannot be used as it is
├── BackboneError   a language model or tokenizer that cannot be loaded or does not fit
├── ScoreError      scores that cannot be ranked (NaN, wrong shape)
└── StorageError    a disk or a quota that is full
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["BackboneError", "CalrecError", "ConfigError", "DataError", "ScoreError", "StorageError", "did_you_mean"]


class CalrecError(ValueError):
    """What a user can mend; its message is one line that names the setting, its value and the fix."""


class ConfigError(CalrecError):
    """A setting is unknown, of the wrong kind, or out of range."""


class DataError(CalrecError):
    """A file or a table cannot be used as it is."""


class BackboneError(CalrecError):
    """A language model or tokenizer cannot be loaded or does not fit."""


class ScoreError(CalrecError):
    """Scores cannot be ranked."""


class StorageError(CalrecError):
    """A file cannot be written: the disk or a quota is full."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` with the nearest of ``known``, or ``""`` where none is near."""
    by_lower = {word.lower(): word for word in sorted(known)}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean '{by_lower[near[0]]}'?" if near else ""
