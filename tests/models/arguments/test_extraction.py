"""Values that people write, read for the columns of each specialist."""

from typing import Any

import pytest

from models.arguments import Extraction, ProblemKind, Source, extract, merge_arguments
from models.arguments.extraction import required_columns
from tests.models.arguments.sentences import SENTENCES
from tests.support.models.columns import FIELDS


def values(extraction: Extraction, row: int = 0) -> dict[str, Any]:
    return {name: one.value for name, one in extraction.rows[row].items()}


@pytest.mark.parametrize(
    ("task", "text", "expected"),
    SENTENCES,
    ids=[f"{one[0]}-{n}" for n, one in enumerate(SENTENCES)],
)
def test_sentence_gives_the_values_it_states(
    task: str, text: str, expected: dict[str, Any]
) -> None:
    found = values(extract([text], FIELDS[task]))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (value if isinstance(value, str) else pytest.approx(value)), name


def test_every_task_has_sentences() -> None:
    series_only = {"remaining_life", "hydraulic_condition"}
    assert {one[0] for one in SENTENCES} == FIELDS.keys() - series_only
    assert len(SENTENCES) >= 55


def test_series_of_sensors_are_read_by_their_names() -> None:
    sensors = [field.name for field in FIELDS["remaining_life"]]
    middle = {one.name: (one.minimum + one.maximum) / 2 for one in FIELDS["remaining_life"]}  # type: ignore[operator]
    lines = [
        f"{name}: " + ", ".join(f"{middle[name] + n / 10:.1f}" for n in range(30))
        for name in sensors
    ]
    found = values(
        extract(["How many cycles are left?\n" + "\n".join(lines)], FIELDS["remaining_life"])
    )
    assert found.keys() == set(sensors)
    assert all(len(series) == 30 for series in found.values())
    assert found["T24"][3] == pytest.approx(middle["T24"] + 0.3)


def test_table_of_cycles_gives_one_series_per_column() -> None:
    fields = FIELDS["hydraulic_condition"]
    header = ",".join(field.name for field in fields)
    middle = [(field.minimum + field.maximum) / 2 for field in fields]  # type: ignore[operator]
    rows = "\n".join(",".join(f"{value:.2f}" for value in middle) for _ in range(60))
    found = values(extract([f"液压试验台一个循环\n{header}\n{rows}\n谢谢"], fields))
    assert found.keys() == {field.name for field in fields}
    assert all(len(series) == 60 for series in found.values())


def test_rows_of_a_csv_text_are_rows_with_the_units_of_its_header() -> None:
    text = (
        "type,air_temperature (°C),process_temperature (°C),rotational_speed,torque,tool_wear\n"
        "L,25,36,1400,40,10\nM,26,37,1500,50,20"
    )
    extraction = extract([text], FIELDS["machine_failure"])
    assert [values(extraction, n)["air_temperature"] for n in (0, 1)] == [298.15, 299.15]
    assert [values(extraction, n)["type"] for n in (0, 1)] == ["L", "M"]


def test_newer_message_replaces_and_completes_an_older_one() -> None:
    texts = ["转速1300转，扭矩65牛米", "扭矩更正为60牛米，刀具磨损90分钟"]
    found = values(extract(texts, FIELDS["machine_failure"]))
    assert found == {"rotational_speed": 1300, "torque": 60, "tool_wear": 90}


def test_value_outside_the_limits_is_a_problem_and_no_reading() -> None:
    extraction = extract(["air temperature 25 K, torque 40 Nm"], FIELDS["machine_failure"])
    assert values(extraction) == {"torque": 40}
    problem = extraction.problems[0]
    assert (problem.column, problem.kind, problem.text) == (
        "air_temperature",
        ProblemKind.RANGE,
        "25 K",
    )


def test_value_in_a_unit_of_another_quantity_is_a_problem() -> None:
    extraction = extract(["torque 40 bar, rotational speed 1400 rpm"], FIELDS["machine_failure"])
    assert values(extraction) == {"rotational_speed": 1400}
    assert [(one.column, one.kind) for one in extraction.problems] == [("torque", ProblemKind.UNIT)]


def test_two_values_of_a_choice_are_ambiguous() -> None:
    extraction = extract(["grade L or grade M?"], FIELDS["machine_failure"])
    assert values(extraction) == {}
    assert extraction.problems[0].kind is ProblemKind.AMBIGUOUS


def test_two_temperatures_without_words_are_not_guessed() -> None:
    extraction = extract(["298 K, 309 K, 1400 rpm"], FIELDS["machine_failure"])
    assert values(extraction) == {"rotational_speed": 1400}
    assert [value for value, _ in extraction.unclaimed] == [298, 309]


def test_term_that_defines_a_value_is_marked_as_a_definition() -> None:
    extraction = extract(["L10 of a ball bearing"], FIELDS["bearing_life"])
    assert extraction.first["reliability"].source is Source.DEFINITION
    assert extraction.first["reliability"].text == "L10"


def test_argument_of_the_model_counts_if_its_number_stands_in_the_text() -> None:
    fields, texts = FIELDS["machine_failure"], ["298 K in the shop, 309 K at the part, 1400 rpm"]
    arguments = {"air_temperature": 298, "process_temperature": {"value": 309, "unit": "K"}}
    merged = merge_arguments(extract(texts, fields), fields, arguments, texts)
    assert values(merged) == {
        "air_temperature": 298,
        "process_temperature": 309,
        "rotational_speed": 1400,
    }
    assert merged.first["air_temperature"].source is Source.MODEL


def test_argument_that_stands_nowhere_in_the_text_is_dropped() -> None:
    fields, texts = FIELDS["machine_failure"], ["1400 rpm"]
    invented = {"torque": 40, "type": "L", "rotational_speed": 1300, "nonsense": 1}
    merged = merge_arguments(extract(texts, fields), fields, invented, texts)
    assert values(merged) == {"rotational_speed": 1400}


def test_text_wins_over_an_argument_of_the_model() -> None:
    fields, texts = FIELDS["machine_failure"], ["torque 65 Nm, 1300 rpm, 220"]
    merged = merge_arguments(extract(texts, fields), fields, {"torque": 220}, texts)
    assert values(merged)["torque"] == 65


def test_required_columns_leave_out_optional_ones() -> None:
    assert required_columns(FIELDS["tag_concept"]) == ("tag",)
    assert len(required_columns(FIELDS["machine_failure"])) == 6
