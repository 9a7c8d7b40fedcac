"""Times of a call with series: read in the order of day and month of the training file."""

import msgspec
import numpy as np
import pytest

from gateway.upstream.declared_inputs import parse_declared_inputs
from models.series.calls import ColumnRange, TimeColumn, check_series, input_fields
from models.series.reading import read_series
from models.signature import InputInvalid, Signature
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest, infer_schema
from tests.support.models.tables import csv

TIMES = ["02/01/2026 08:00", "02/02/2026 08:00"], ["01/12/2026 08:00", "02/01/2026 08:00"]


def time_column(form: str) -> TimeColumn:
    """The time column of a file of 40 days whose dates are written in this form."""
    days = [np.datetime64("2026-01-01") + day for day in range(40)]
    table: dict[str, list[object]] = {
        "time": [day.astype(object).strftime(form) for day in days],
        "heat": [float(day % 7) for day in range(40)],
        "load": [float(day % 5) for day in range(40)],
    }
    request = SchemaRequest(target="load", time="time")
    found = TimeColumn.of(read_series(infer_schema(read_table(csv(table)), request)))
    assert found is not None
    return found


def check(time: TimeColumn) -> None:
    columns = {"heat": np.array([[1.0, 2.0], [3.0, 4.0]]), "time": np.array(TIMES, dtype=object)}
    check_series(columns, [ColumnRange("heat", None, 0, 6)], time, 2)


def test_times_are_read_with_the_month_first_if_the_training_file_has_it_first() -> None:
    check(time_column("%m/%d/%Y %H:%M"))


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M"])
def test_times_are_read_with_the_day_first_otherwise(form: str) -> None:
    with pytest.raises(InputInvalid, match="is earlier than the value before it") as failed:
        check(time_column(form))
    assert failed.value.details == {"row": 1, "value": 1}


def test_error_of_a_series_without_values_has_its_row() -> None:
    columns = {"heat": np.array([[1.0, 2.0], [np.nan, np.nan]])}
    with pytest.raises(InputInvalid, match="Row 1 has no value") as failed:
        check_series(columns, [ColumnRange("heat", None, 0, 6)], None, 2)
    assert failed.value.details == {"row": 1}


@pytest.mark.parametrize(
    ("form", "order"),
    [("%m/%d/%Y", "month first"), ("%d/%m/%Y", "day first"), ("%Y-%m-%d", None)],
)
def test_signature_says_which_of_the_first_two_numbers_of_a_date_is_the_day(
    form: str, order: str | None
) -> None:
    fields = input_fields([ColumnRange("heat", None, 0, 6)], time_column(form), 2)
    shown = msgspec.to_builtins(Signature(fields, (), "1"))
    assert [one.get("day_order") for one in shown["inputs"]] == [None, order]
    metadata = msgspec.json.encode({"parameters": {"signature": shown}})
    assert [one.as_column().day_order for one in parse_declared_inputs(metadata)] == [None, order]


def test_time_in_a_zone_that_is_not_read_is_refused_with_what_to_write() -> None:
    times = np.array([["2026-03-25 08:15 CST", "2026-03-25 08:16 CST"]], dtype=object)
    columns = {"heat": np.array([[1.0, 2.0]]), "time": times}
    with pytest.raises(InputInvalid, match=r"is not a date\. The time zone CST is not read: write"):
        check_series(columns, [ColumnRange("heat", None, 0, 6)], TimeColumn("time", True), 2)
