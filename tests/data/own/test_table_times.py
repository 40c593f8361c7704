"""Times of every kind become seconds since 1970."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from calrec_recbole.data.own.table_times import ORDER, seconds_of
from calrec_recbole.errors import DataError

WHEN = [datetime(2021, 3, 14, 15, 9, 26, tzinfo=UTC), datetime(2019, 12, 31, 23, 59, 1, tzinfo=UTC)]
SECONDS = [1615734566.0, 1577836741.0]  # date -u -d '2021-03-14 15:09:26' +%s


def seconds(values, time_format=None, **kind):
    found, said = seconds_of(pd.Series(values, **kind), "--time=t", time_format)
    return found.tolist(), said


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)])
@pytest.mark.parametrize("as_text", [True, False])
def test_numbers(unit, factor, as_text):
    values = [int(one * factor) for one in SECONDS]
    assert seconds([str(one) for one in values] if as_text else values) == (SECONDS, f"{unit} since 1970")


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y %H:%M:%S",
        "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%d %b %Y %H:%M:%S", "%B %d, %Y %H:%M:%S",
    ],
)  # fmt: skip
def test_dates_as_text(form):
    assert seconds([one.strftime(form) for one in WHEN])[0] == SECONDS


def test_days():
    days = [1615680000.0, 1577750400.0]
    assert seconds(["2021-03-14", "2019-12-31"]) == (days, "dates as ISO 8601 writes them")
    assert seconds(["20210314", "20191231"]) == (days, "days as YYYYMMDD")
    assert seconds([20210314, 20191231]) == (days, "days as YYYYMMDD")
    assert seconds(["14.3.2021", "31.12.2019"]) == (days, "dates as %d.%m.%Y")
    assert seconds(["03 14, 2021", "12 31, 2019"]) == (days, "dates as %m %d, %Y")


def test_other_zones_and_mixed_lengths():
    assert seconds(["2021-03-14T16:09:26+01:00", "2021-03-14"])[0] == [SECONDS[0], 1615680000.0]


def test_dates_of_parquet():
    assert seconds(pd.to_datetime(WHEN)) == (SECONDS, "dates")
    assert seconds([one.replace(tzinfo=None) for one in WHEN]) == (SECONDS, "dates")
    assert seconds([one.date() for one in WHEN])[0] == [1615680000.0, 1577750400.0]
    assert np.isnan(seconds([WHEN[0], pd.NaT])[0][1])


def test_an_order_stays():
    assert seconds(["3", "1", "2.5", "-4"]) == ([3, 1, 2.5, -4], ORDER)


def test_what_is_no_time_is_nan():
    found, said = seconds(
        ["1615734566", "", "soon", "inf", "nan", "1577836741", None, "1e400", "0", "1615734566000", "7", "8"]
    )
    assert said == "s since 1970"
    assert [place for place, one in enumerate(found) if np.isnan(one)] == [1, 2, 3, 4, 6, 7, 9]
    found, _ = seconds(["2021-03-14", "2021-02-30", "", "1615734566", "2021-03-15", "2021-03-16"])
    assert [place for place, one in enumerate(found) if np.isnan(one)] == [1, 2, 3]


def test_day_or_month_first():
    assert seconds(["01/02/2020", "13/02/2020"])[1] == "dates as %d/%m/%Y"
    assert seconds(["01/02/2020", "02/13/2020"])[1] == "dates as %m/%d/%Y"
    message = "--time=t: whether the day or the month comes first cannot be told: give --time_format='%d/%m/%Y' or "
    with pytest.raises(DataError, match=message):
        seconds(["01/02/2020", "03/04/2020"])
    assert seconds(["01/02/2020", "03/04/2020"], "%d/%m/%Y") == ([1580515200, 1585872000], "dates as %d/%m/%Y")
    assert seconds(["02/02/2020", "03/03/2020"])[0] == [1580601600, 1583193600]  # the same both ways


@pytest.mark.parametrize("values", [["soon", "later"], ["", ""], [], ["x", "y", "2020-01-01"]])
def test_no_time_at_all(values):
    with pytest.raises(DataError, match=r"^--time=t: '.*' is no number and no known date; give --time_format"):
        seconds(values, dtype=object)
