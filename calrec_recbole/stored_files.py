"""Files that a program wrote, ours or another: read whole, checked for their shape, or one error that names the file.

What such a file holds decides nothing but values: no code in it runs. A reader of one kind answers for all that its
library may raise on a damaged or hostile file.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calrec_recbole.errors import CalrecError, DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NUMBER", "misfit", "one_line", "read_json", "read_table", "reading"]

NUMBER = (int, float)
LONGEST = 200  # characters of a library's message


@contextmanager
def reading(what: str, advice: str, error: type[CalrecError] = DataError) -> Iterator[None]:
    """Turns whatever a library raises on a file into ``error``: ``<what> (<the library's words>): <advice>``.

    Also the panics of Rust's libraries, which are no ``Exception``. What is ours passes.
    """
    try:
        yield
    except CalrecError:
        raise
    except Exception as problem:
        raise error(f"{what} ({one_line(problem)}): {advice}") from problem
    except BaseException as problem:
        if type(problem).__name__ != "PanicException":
            raise
        raise error(f"{what} ({one_line(problem)}): {advice}") from problem


def one_line(problem: BaseException) -> str:
    """What ``problem`` says, on one line and not for ever; its kind where it says nothing or a bare name."""
    said = " ".join(str(problem).split())
    told = said if " " in said else f"{type(problem).__name__}{': ' if said else ''}{said}"
    return told if len(told) <= LONGEST else f"{told[:LONGEST]} ..."


def read_json(file: Path, advice: str, shape: Any = None) -> Any:
    """The value in ``file``, an object unless ``shape`` says otherwise; see ``misfit``. Raises ``DataError``."""
    with reading(f"{file} cannot be read", advice):
        content = file.read_bytes()
    with reading(f"{file} is damaged", advice):
        found = json.loads(content.decode("utf-8"))
        json.dumps(found, ensure_ascii=False).encode()  # raises for a lone surrogate, which no report can hold
    if fault := misfit(found, {...: object} if shape is None else shape):
        raise DataError(f"{file} is damaged ({fault}): {advice}")
    return found


def misfit(value: Any, shape: Any, where: str = "it") -> str:
    """Says where ``value``, of JSON or YAML, has not the ``shape``; empty where it fits.

    A shape is a type or a tuple of types; ``[shape]``, a list of such; or ``{key: shape}``, an object that has the key,
    with ``"key?"`` where it may lack it and ``...`` for all its other keys. Numbers are those that a float can hold.

    >>> misfit({"users": {"test": "3"}}, {"users": {...: int}})
    'users.test is a str'
    """
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where} is {_kind(value)}, not a list"
        return next(filter(None, (misfit(one, shape[0], f"{where}[{place}]") for place, one in enumerate(value))), "")
    if isinstance(shape, dict):
        return _misfit_of_keys(value, shape, where)
    if isinstance(value, bool) and shape in (int, float, NUMBER):
        return f"{where} is true or false, not a number"
    if not isinstance(value, shape):
        return f"{where} is {_kind(value)}"
    return f"{where} is too large" if isinstance(value, int) and abs(value) > 2**63 else ""


def _misfit_of_keys(value: Any, shape: Mapping[Any, Any], where: str) -> str:
    if not isinstance(value, dict):
        return f"{where} is {_kind(value)}, not an object"
    of_others = shape.get(..., object)
    of_key = {str(key).removesuffix("?"): inner for key, inner in shape.items() if key is not ...}
    lacking = [key for key in shape if key is not ... and not key.endswith("?") and key not in value]
    if lacking:
        return f"{where} lacks {lacking[0]!r}"
    inside = "" if where == "it" else f"{where}."
    faults = (misfit(one, of_key.get(key, of_others), f"{inside}{key}") for key, one in value.items())
    return next(filter(None, faults), "")


def _kind(value: Any) -> str:
    return "empty" if value is None else f"a {type(value).__name__}"


def read_table(file: Path, advice: str, texts: Collection[str] = (), numbers: Collection[str] = ()) -> "pd.DataFrame":
    """The Parquet table in ``file``, with at least the columns ``texts`` and the columns ``numbers`` of whole numbers,
    none of them with a gap. Raises ``DataError``.
    """
    import pandas as pd

    with reading(f"{file} cannot be read", advice):
        table = pd.read_parquet(file)
    lacking = [name for name in (*texts, *numbers) if name not in table]
    if lacking:
        raise DataError(f"{file} lacks the column(s) {', '.join(map(str, lacking))}: {advice}")
    for name in numbers:
        if not pd.api.types.is_integer_dtype(table[name]):
            raise DataError(f"{file}: the column {name} holds {table[name].dtype}, not whole numbers: {advice}")
    for name in (*texts, *numbers):
        if table[name].isna().any():
            raise DataError(f"{file}: the column {name} has gaps: {advice}")
    for name in texts:
        if not table[name].map(lambda value: isinstance(value, str)).all():
            raise DataError(f"{file}: the column {name} holds {table[name].dtype}, not texts: {advice}")
    return table
