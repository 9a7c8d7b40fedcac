"""Names of time zones that are not read, and what the check of a file says of them."""

import numpy as np
import pytest

from models.tables.columns import Column, Kind, infer_column
from models.tables.table import RawColumn


def of(*texts: str) -> Column:
    return infer_column(RawColumn("x", None, np.array(texts, dtype=object)))


@pytest.mark.parametrize("zone", ["CST", "EST", "BST", "IST"])
def test_zone_that_is_not_read_is_noted(zone: str) -> None:
    column = of(*(f"2026-03-25 08:1{minute} {zone}" for minute in range(3)))
    assert column.kind is not Kind.TIME
    assert column.notes == (
        f"The time zone {zone} is not read: write its offset from UTC instead, such as +08:00.",
    )


@pytest.mark.parametrize("text", ["pump A", "2026-03-25 A", "25 bar", "08:15 CST"])
def test_other_last_words_are_no_zones(text: str) -> None:
    assert of(text, text).notes == ()
