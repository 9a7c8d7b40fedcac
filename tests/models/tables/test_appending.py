"""Observed rows that are appended to a table for a further training."""

from datetime import UTC, datetime

from models.tables.appending import AppendedTable, ObservedRow, append_rows
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest, infer_schema

AT = datetime(2026, 5, 4, 6, 30, tzinfo=UTC)
TABLE = "\n".join(
    [
        "time;machine;torque;grade;note;result",
        ";;N·m;;;",
        *(
            f"0{day}.05.2026 08:00;M{day % 2};{day},5;{'AB'[day % 2]};n{day};ok"
            for day in range(1, 7)
        ),
    ]
).encode()
STATED = SchemaRequest(target="result", machine="machine", time="time", ignored=("note",))


def observed(
    source: str, torque: float | None, result: float | str, grade: str = "A"
) -> ObservedRow:
    inputs = {"torque": torque, "grade": grade}
    return ObservedRow(source, inputs, result, "M9", AT)


def appended(*rows: ObservedRow, is_class: bool = True) -> AppendedTable:
    return append_rows(infer_schema(read_table(TABLE), STATED), rows, is_class)


def test_new_rows_follow_those_of_the_table_with_units_and_time() -> None:
    found = appended(observed("a", 9.25, "bad"))
    assert (found.appended, found.duplicates, found.conflicts) == (1, 0, ())
    table = read_table(found.content)
    assert table.units == {"torque": "N·m"}
    again = infer_schema(table, STATED)
    by_name = {one.column.name: one.column for one in again.columns}
    torque, time = by_name["torque"].numbers, by_name["time"].numbers
    assert torque is not None
    assert time is not None
    assert torque.tolist() == [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 9.25]
    assert time[-1] == AT.timestamp()
    assert time[0] == datetime(2026, 5, 1, 8, tzinfo=UTC).timestamp()
    results = by_name["result"].texts
    assert results is not None
    assert (results[-1], by_name["machine"].texts[-1]) == ("bad", "M9")  # type: ignore[index]


def test_row_that_the_table_has_is_a_duplicate() -> None:
    found = appended(observed("a", 2.5, "ok"), observed("b", 9.0, "bad"), observed("c", 9.0, "bad"))
    assert (found.appended, found.duplicates) == (1, 2)


def test_other_class_of_the_same_inputs_is_a_conflict_and_left_out() -> None:
    found = appended(observed("a", 2.5, "bad"), observed("b", 9.0, "bad"), observed("c", 9.0, "ok"))
    assert (found.appended, found.conflicts) == (1, ("a", "c"))


def test_other_number_of_the_same_inputs_is_a_repeated_measurement() -> None:
    found = appended(observed("a", 2.5, 1.0), observed("b", 2.5, 1.5), is_class=False)
    assert (found.appended, found.conflicts) == (2, ())


def test_row_without_any_input_is_unusable() -> None:
    assert appended(observed("a", None, "ok", grade="")).unusable == ("a",)
