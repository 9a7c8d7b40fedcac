"""Roles of columns: inferred, stated, and described for confirmation."""

import pytest

from models.adaptation import TrainingFileInvalid
from models.tables.columns import Kind
from models.tables.reading import read_table
from models.tables.schema import (
    LIFE_WORDS,
    Role,
    SchemaRequest,
    TableSchema,
    describe_schema,
    infer_schema,
)

FILE = (
    "machine,timestamp,temp [°C],speed_rpm,grade,comment,failure\n"
    "M1,2026-01-01 00:00,80,1500,A,first remark,0\n"
    "M1,2026-01-01 01:00,81,1500,B,second remark,0\n"
    "M2,2026-01-01 00:00,90,1400,A,third remark,1\n"
    "M2,2026-01-01 01:00,91,1450,A,fourth remark,1\n"
).encode()


def schema(**stated: object) -> TableSchema:
    return infer_schema(read_table(FILE), SchemaRequest(**stated))  # type: ignore[arg-type]


def roles(found: TableSchema) -> dict[str, str]:
    return {one.column.name: one.role.value for one in found.columns}


def problem_codes(**stated: object) -> set[str]:
    with pytest.raises(TrainingFileInvalid) as caught:
        schema(**stated)
    return {problem.code for problem in caught.value.problems.shown}


def test_roles_are_inferred_from_names_and_values() -> None:
    found = schema(kinds={"comment": Kind.TEXT})
    assert roles(found) == {
        "machine": "machine",
        "timestamp": "time",
        "temp [°C]": "input",
        "speed_rpm": "input",
        "grade": "input",
        "comment": "ignored",
        "failure": "target",
    }
    assert "'failure' was taken for the target." in found.notes


def remarks(content: str, **stated: object) -> list[str]:
    request = SchemaRequest(target="y", **stated)  # type: ignore[arg-type]
    return list(map(str, infer_schema(read_table(content.encode()), request).notes))


def file_with_texts() -> str:
    rows = "".join(
        f"2026-01-05 {at:02d}:00,2026-01-06,note {at},,{at}.5,{at}\n" for at in range(24)
    )
    return f"time,shipped,remark,spare,x,y\n{rows}"


def test_columns_that_are_not_used_are_named_with_the_reason() -> None:
    assert remarks(file_with_texts(), time="time") == [
        "Left out, because nearly all texts in it differ: 'remark'. If it is a time or a category, "
        "state that in `schema.kinds`.",
        "Left out, because times only order the rows: 'shipped'.",
        "Left out, because it is empty: 'spare'.",
    ]


def test_columns_that_the_customer_leaves_out_are_not_named() -> None:
    stated = {"ignored": ("shipped", "spare"), "kinds": {"remark": Kind.TEXT}}
    assert remarks(file_with_texts(), time="time", **stated) == []


def test_only_the_first_of_many_unused_columns_are_named() -> None:
    header = ",".join(f"c{at}" for at in range(30))
    found = remarks(f"{header},x,y\n" + f"{',' * 30}1.5,2\n" * 20)
    assert found == [
        "Left out, because it is empty: "
        + ", ".join(f"'c{at}'" for at in range(20))
        + " (30 columns)."
    ]


def test_chinese_names_are_understood() -> None:
    rows = "A,2026-01-01,80,0\nA,2026-01-02,81,1\nB,2026-01-01,80,0\nB,2026-01-02,81,1\n"
    table = read_table(f"设备编号,时间,温度/℃,故障\n{rows}".encode())
    found = infer_schema(table, SchemaRequest())
    assert roles(found) == {
        "设备编号": "machine",
        "时间": "time",
        "温度/℃": "input",
        "故障": "target",
    }
    assert found.columns[2].column.unit == "°C"


def test_stated_roles_win() -> None:
    found = schema(target="grade", machine="", time="", ignored=("comment", "failure"))
    assert roles(found)["grade"] == "target"
    assert found.single(Role.MACHINE) is None
    assert roles(found)["machine"] == "input"
    assert roles(found)["timestamp"] == "ignored"
    assert roles(found)["failure"] == "ignored"


def test_stated_unit_wins() -> None:
    found = schema(units={"temp [°C]": "°F"})
    assert found.with_role(Role.INPUT)[0].unit == "°F"


def test_unknown_column_and_unit_are_reported() -> None:
    assert problem_codes(target="nothing") == {"unknown_column"}
    assert problem_codes(units={"grade": "parsec"}) == {"unit"}


def test_cell_of_another_type_is_reported_with_its_line() -> None:
    rows = "".join(f"{value}.5,x\n" for value in range(30))
    table = read_table(f"temp,grade\n{rows}broken,x\n".encode())
    with pytest.raises(TrainingFileInvalid, match="Line 32: 'broken' in 'temp'"):
        infer_schema(table, SchemaRequest(target="grade"))
    found = infer_schema(table, SchemaRequest(target="grade", ignored=("temp",)))
    assert roles(found)["temp"] == "ignored"


def test_schema_is_described_for_confirmation() -> None:
    described = describe_schema(schema())
    assert (described["object"], described["rows"]) == ("table.schema", 4)
    by_name = {column["name"]: column for column in described["columns"]}
    assert by_name["temp [°C]"] == {
        "name": "temp [°C]",
        "type": "number",
        "role": "input",
        "unit": "°C",
        "missing": 0,
        "notes": [],
        "scale_change": None,
        "minimum": 80.0,
        "maximum": 91.0,
    }
    assert by_name["grade"]["examples"] == ["A", "B"]


def test_file_of_lives_without_remaining_life_has_no_target() -> None:
    found = infer_schema(read_table(FILE), SchemaRequest(), target_words=LIFE_WORDS)
    assert found.single(Role.TARGET) is None


def test_times_in_a_zone_that_is_not_read_are_refused_with_what_to_write() -> None:
    rows = "".join(f"2026-01-01 00:{row:02} CST,{row}\n" for row in range(3))
    with pytest.raises(TrainingFileInvalid) as caught:
        infer_schema(
            read_table(f"timestamp,load\n{rows}".encode()),
            SchemaRequest(kinds={"timestamp": Kind.TIME}),
        )
    assert {str(problem.fix) for problem in caught.value.problems.shown} == {
        "The time zone CST is not read: write its offset from UTC instead, such as +08:00."
    }
