"""A column of times -> seconds since 1970: numbers in s, ms, us or ns, dates as text, dates of Parquet."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calrec_recbole.errors import DataError

__all__ = ["ORDER", "seconds_of"]

ORDER = "numbers as they are, for an order"
DAY_ONE = 1e8  # seconds: in 1973; numbers below it are an order, no dates
UNITS = {"s": 1e11, "ms": 1e14, "us": 1e17, "ns": 1e20}  # a number from here on is of a later unit
DATES = (
    *(
        separator.join(order)
        for separator in "-/."
        for order in (("%Y", "%m", "%d"), ("%d", "%m", "%Y"), ("%m", "%d", "%Y"))
    ),
    *("%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%m %d, %Y"),
)
ISO = "ISO8601"
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
LOOKED_AT = 2000  # values; they decide which formats are tried on all


def seconds_of(times: pd.Series, option: str, time_format: str | None = None) -> tuple[NDArray[np.float64], str]:
    """``times`` (n,) -> (n,) seconds, NaN where there is none, and what they were taken for, in words.

    Text is numbers where most of it is, else dates: in UTC where no zone is named. ``time_format`` is a format of
    ``strptime``, in which all are then read. A number of another unit than most is none.

    Raises:
        DataError: nothing is a time, or day and month cannot be told apart; names ``option`` and ``--time_format``.
    """
    if isinstance(times.dtype, pd.DatetimeTZDtype) or times.dtype.kind == "M":
        return _of_dates(pd.to_datetime(times, utc=True)), "dates"
    text = times.astype("string").str.strip()
    text = text.mask(text == "")
    if time_format is not None:
        return _of_dates(_parsed(text, time_format)), f"dates as {time_format}"
    numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    numbers[~np.isfinite(numbers)] = np.nan
    given = int(text.notna().sum())
    if given and 2 * np.isfinite(numbers).sum() >= given:
        return _of_numbers(numbers)
    return _of_text(text, option)


def _of_numbers(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], str]:
    finite = numbers[np.isfinite(numbers)]
    if _are_days(finite):
        days = pd.Series(numbers).astype("Int64").astype("string")
        return _of_dates(_parsed(days, "%Y%m%d")), "days as YYYYMMDD"
    size = float(np.median(np.abs(finite)))
    if size < DAY_ONE:
        return numbers, ORDER
    unit = _unit(size)
    other = np.array([abs(number) >= DAY_ONE and _unit(abs(number)) != unit for number in numbers])
    seconds = np.where(other, np.nan, numbers) / 1000 ** list(UNITS).index(unit)
    return seconds, f"{unit} since 1970"


def _unit(size: float) -> str:
    return next((unit for unit, end in UNITS.items() if size < end), "beyond ns")


def _are_days(numbers: NDArray[np.float64]) -> bool:
    """Whether all are whole numbers of eight digits that are days of 1900 to 2099."""
    day, month = numbers % 100, numbers // 100 % 100
    inside = (numbers >= 19_000_101) & (numbers <= 20_991_231) & (numbers % 1 == 0)
    return bool(len(numbers) and (inside & (day >= 1) & (day <= 31) & (month >= 1) & (month <= 12)).all())


def _of_text(text: pd.Series, option: str) -> tuple[NDArray[np.float64], str]:
    given = text.notna().to_numpy()
    found = {name: _of_dates(_parsed(text, name)) for name in _likely(text)}
    most = max((int(np.isfinite(dates).sum()) for dates in found.values()), default=0)
    if 2 * most < given.sum() or not most:
        example = next(iter(text.dropna()), "")
        raise DataError(f"{option}: {example!r} is no number and no known date; give --time_format, as in strptime")
    best = {name: dates for name, dates in found.items() if np.isfinite(dates).sum() == most}
    name = next(iter(best))
    if not all(np.array_equal(dates, best[name], equal_nan=True) for dates in best.values()):
        names = " or ".join(f"--time_format={one!r}" for one in best)
        raise DataError(f"{option}: whether the day or the month comes first cannot be told: give {names}")
    return best[name], "dates as ISO 8601 writes them" if name == ISO else f"dates as {name}"


def _likely(text: pd.Series) -> Iterator[str]:
    """The formats that fit at least half of the first values; ISO 8601 alone where it fits all."""
    sample = text.dropna().iloc[:LOOKED_AT]
    for name in (ISO, *(f"{date}{clock}" for date, clock in product(DATES, CLOCKS))):
        fits = int(_parsed(sample, name).notna().sum())
        if 2 * fits >= len(sample) > 0:
            yield name
        if name == ISO and fits == len(sample):
            return


def _parsed(text: pd.Series, name: str) -> pd.Series:
    return pd.to_datetime(text, format=name, utc=True, errors="coerce")


def _of_dates(dates: pd.Series) -> NDArray[np.float64]:
    """Seconds since 1970; NaN for what is no date."""
    since = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(since, dtype=np.float64)
