"""Numbers with units of other quantities, powers of ten and fractions: converted or named."""

import json
from typing import Any

import pytest

from models.arguments import ProblemKind, extract
from tests.support.models.columns import FIELDS

MACHINE = FIELDS["machine_failure"]


def read(text: str) -> tuple[dict[str, Any], dict[str, ProblemKind]]:
    """Return the values of the first row and the kinds of problems by column."""
    found = extract([text], MACHINE)
    return (
        {name: one.value for name, one in found.first.items()},
        {one.column: one.kind for one in found.problems},
    )


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [
        ("rotational speed 136 rad/s", "rotational_speed", 1298.7),
        ("转速136弧度/秒", "rotational_speed", 1298.7),
        ("转速 136 弧度每秒", "rotational_speed", 1298.7),
        ("rotational speed 22 1/s", "rotational_speed", 1320),
        ("rotational speed 22 s⁻¹", "rotational_speed", 1320),
        ("rotational speed 1450 r", "rotational_speed", 1450),
        ("torque 3×10^1 Nm", "torque", 30),
        ("torque 3x10¹Nm", "torque", 30),
        ("torque 3·10^1 N·m", "torque", 30),
        ("torque 300*10^-1 Nm", "torque", 30),
        ("扭矩3×10的1次方牛米", "torque", 30),
        ("torque 10^1 Nm", "torque", 10),
        ("torque 3e1 Nm", "torque", 30),
        ("torque 30½ Nm", "torque", 30.5),
        ("torque 30 1/2 Nm", "torque", 30.5),
        ("torque 65000 mNm", "torque", 65),
        ("torque 4000 cNm", "torque", 40),
        ("torque 4 daN·m", "torque", 40),
        ("torque 40N·m, speed 1400", "torque", 40),
    ],
)
def test_number_in_another_unit_or_notation_is_converted(
    text: str, column: str, value: float
) -> None:
    values, problems = read(text)
    assert values[column] == pytest.approx(value, rel=1e-4)
    assert column not in problems


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("torque 65 kg", "torque"),
        ("扭矩65公斤", "torque"),
        ("torque 65 lbs", "torque"),
        ("torque 65 kVA", "torque"),
        ("torque 65 Ω", "torque"),
        ("torque 65cNmx", "torque"),
        ("torque 65 N·m2", "torque"),
        ("torque 65 W/m2", "torque"),
        ("torque 3^2 Nm", "torque"),
        ("torque 65 oz-in", "torque"),
        ("扭矩65吨", "torque"),
        ("扭矩 65 斤", "torque"),
        ("rotational speed 1400 kHz", "rotational_speed"),
        ("air temperature 299 K/h", "air_temperature"),
        ("tool wear 90 kg", "tool_wear"),
        ("torque 65‰", "torque"),
        ("torque 65 ppm", "torque"),
    ],
)
def test_number_in_a_unit_of_another_quantity_is_named_as_such(text: str, column: str) -> None:
    values, problems = read(text)
    assert column not in values
    assert problems == {column: ProblemKind.UNIT}


@pytest.mark.parametrize("number", ["1e400", "9×10^400", "10^999"])
def test_infinite_number_is_out_of_range(number: str) -> None:
    values, problems = read(f"torque {number} Nm")
    assert values == {}
    assert problems == {"torque": ProblemKind.RANGE}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ({"value": 136, "unit": "rad/s"}, 1298.7),
        ("136 rad/s", 1298.7),
        ({"value": "1.36e2", "unit": "rad/s"}, 1298.7),
        ({"value": 1400, "unit": "none"}, 1400),
        ("1400 (max)", 1400),
    ],
)
def test_json_value_is_converted_to_the_column(cell: Any, value: float) -> None:
    values, problems = read(json.dumps({"rotational_speed": cell, "torque": 40}))
    assert values["rotational_speed"] == pytest.approx(value, rel=1e-4)
    assert problems == {}


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ({"value": 136, "unit": "foo"}, ProblemKind.UNIT),
        ({"value": 136, "unit": "kg"}, ProblemKind.UNIT),
        ("136 foo", ProblemKind.UNIT),
        ("136foo", ProblemKind.UNIT),
        ("1300-1400 rpm", ProblemKind.AMBIGUOUS),
        ("1e400", ProblemKind.RANGE),
    ],
)
def test_json_value_that_cannot_be_converted_is_named(cell: Any, kind: ProblemKind) -> None:
    values, problems = read(json.dumps({"rotational_speed": cell, "torque": 40}))
    assert values == {"torque": 40}
    assert problems == {"rotational_speed": kind}


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("torque_kNm", 40),
        ("torque (kN·m)", 40),
        ("torque [cNm]", 0.0004),
        ("torque (max)", 0.04),
        ("torque", 0.04),
    ],
)
def test_unit_of_a_header_counts_and_a_note_does_not(header: str, value: float) -> None:
    values, problems = read(f"type,{header},tool_wear\nL,0.04,10")
    assert values["torque"] == pytest.approx(value)
    assert problems == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torque 40, speed 1400 in the morning", {"torque": 40, "rotational_speed": 1400}),
        ("torque 40 and speed 1400 please", {"torque": 40, "rotational_speed": 1400}),
        ("转速1400升高，扭矩40，丝杠", {"torque": 40, "rotational_speed": 1400}),
        ("扭矩40丝杠，转速1400", {"torque": 40, "rotational_speed": 1400}),
        ("扭矩40转速1400", {"torque": 40, "rotational_speed": 1400}),
        ("torque 40 Nm/1400 rpm", {"torque": 40, "rotational_speed": 1400}),
        ("torque 40 Nm / speed 1400 rpm", {"torque": 40, "rotational_speed": 1400}),
        ("air temperature 300k", {"air_temperature": 300}),
        ("torque 40 L grade", {"torque": 40, "type": "L"}),
        ("our 6205ZZ bearing, torque 40", {"torque": 40}),
        ("the 3rd try: torque 40", {"torque": 40}),
    ],
)
def test_words_after_a_number_are_no_units(text: str, expected: dict[str, Any]) -> None:
    assert read(text) == (expected, {})


def test_unit_of_a_column_that_no_table_has_is_read_as_written() -> None:
    field = MACHINE[1].__class__("vibration", "FP32", "m/s²", "")
    values = extract(["vibration 4 m/s2"], (field,)).first
    assert values["vibration"].value == 4
    assert extract(["vibration 4 mm"], (field,)).problems[0].kind is ProblemKind.UNIT
