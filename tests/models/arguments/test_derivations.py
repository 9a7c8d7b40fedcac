"""Inputs that follow from others: downtime, scrap, rates, designations, speeds, differences."""

from typing import Any

import pytest

from models.arguments import Source, extract
from tests.support.models.columns import FIELDS

OEE = "planned 480 min, cycle 0.5 min/pcs, "


def values(task: str, text: str) -> dict[str, Any]:
    return {name: one.value for name, one in extract([text], FIELDS[task]).first.items()}


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        (OEE + "downtime 45 min, 800 made, 780 good", "actual_production_time", 435),
        ("计划480分钟，停机45分钟，产量800，良品780", "actual_production_time", 435),
        (OEE + "45 min stops, 800 made", "actual_production_time", 435),
        (OEE + "ran 420 min, 800 produced, 12 scrap", "good_quantity", 788),
        ("计划480分钟，产量800件，不良36", "good_quantity", 764),
        ("planned 480 min, ran 420 min, ideal rate 200 pcs per hour", "planned_run_time", 0.3),
        ("计划480分钟，理论产能 100 件/小时", "planned_run_time", 0.6),
    ],
)
def test_value_follows_from_the_definition(text: str, column: str, expected: float) -> None:
    reading = extract([text], FIELDS["oee"]).first[column]
    assert reading.value == pytest.approx(expected)
    assert reading.source is Source.DEFINITION


def test_stated_value_wins_over_a_derived_one() -> None:
    found = values("oee", OEE + "ran 400 min, downtime 45 min, 800 made, 780 good, 12 scrap")
    assert (found["actual_production_time"], found["good_quantity"]) == (400, 780)


def test_cycle_time_without_pieces_is_the_time_of_one_piece() -> None:
    assert values("oee", "节拍24秒")["planned_run_time"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("水泵轴承6206，C 19.5kN", "ball"),
        ("6310 ball bearing", "ball"),
        ("bearing NU210", "roller"),
        ("22216 bearing", "roller"),
        ("轴承型号:7206", "ball"),
        ("bearing at 6200 N", None),
        ("轴承转速6200rpm", None),
    ],
)
def test_designation_defines_the_rolling_elements(text: str, expected: str | None) -> None:
    assert values("bearing_life", text).get("bearing") == expected


@pytest.mark.parametrize(
    "text",
    [
        "from 1450 rpm to 1700 rpm",
        "flow at 1700 rpm if it does 30 m3/h at 1450 rpm",
        "speed up the pump to 1700 rpm (today 1450 rpm)",
        "转速1450转提高到1700转",
        "what would it give at 1700 r/min? It currently runs at 1450 r/min",
    ],
)
def test_old_and_new_speed_are_told_apart(text: str) -> None:
    found = values("pump_affinity", text)
    assert (found["rotational_speed"], found["new_rotational_speed"]) == (1450, 1700)


def test_supply_frequency_is_no_speed_beside_a_number_named_speed() -> None:
    assert values("pump_affinity", "泵在50Hz时转速1460")["rotational_speed"] == 1460


@pytest.mark.parametrize("text", ["规格25±0.6", "tolerance 25 +/- 0.6"])
def test_tolerance_gives_both_limits(text: str) -> None:
    found = values("process_capability", text)
    assert (found["lower_limit"], found["upper_limit"]) == (24.4, 25.6)


def test_modifier_governs_the_word_after_it() -> None:
    found = values("oee", "计划运行16小时，实际运行14小时20分")
    assert (found["planned_busy_time"], found["actual_production_time"]) == (960, 860)


@pytest.mark.parametrize(
    "text",
    [
        "气温24度，过程温度比气温高10.4度",
        "process is 10.4 K above the air, which is 24 °C",
        "air 24 °C, process 18.72 °F hotter than the room",
    ],
)
def test_process_temperature_stated_relative_to_the_air_is_added(text: str) -> None:
    found = extract([text], FIELDS["machine_failure"]).first
    assert found["air_temperature"].value == pytest.approx(297.15)
    assert found["process_temperature"].value == pytest.approx(307.55)
    assert found["process_temperature"].source is Source.DEFINITION


@pytest.mark.parametrize(
    "text", ["2900 rpm, run at 90% of its present speed", "转速2900转，改到原转速的90%"]
)
def test_new_speed_stated_as_a_share_of_the_old_one_is_computed(text: str) -> None:
    found = values("pump_affinity", text)
    assert (found["rotational_speed"], found["new_rotational_speed"]) == (2900, 2610)


@pytest.mark.parametrize(
    "text",
    [
        "All times in seconds: planned_busy=28800; actual_prod=24300; ideal_cycle_per_piece=4.5",
        "时间单位都是秒：计划时间28800，实际生产24300，节拍4.5",
        "计划时间28800，实际生产24300，节拍4.5，时间均以秒",
    ],
)
def test_unit_stated_once_for_all_times_counts(text: str) -> None:
    found = values("oee", text)
    assert found["planned_busy_time"] == pytest.approx(480)
    assert found["actual_production_time"] == pytest.approx(405)
    assert found["planned_run_time"] == pytest.approx(0.075)


def test_correction_replaces_what_stands_before_it() -> None:
    found = values(
        "oee", "计划480分钟，实际400分钟，良品562件……等下，良品写错行了，是574件，562那是上礼拜的"
    )
    assert found["good_quantity"] == 574
    assert found["planned_busy_time"] == 480


def test_nameplate_does_not_count_beside_measured_values() -> None:
    text = "Nameplate says 460 V and 30 A. We measured 462 V, 24.6 A, power factor 0.83"
    found = values("motor_efficiency", text)
    assert (found["voltage"], found["current"]) == (462, 24.6)


def test_nameplate_counts_where_nothing_was_measured() -> None:
    found = values("motor_efficiency", "Nameplate: 460 V, 30 A, power factor 0.83")
    assert (found["voltage"], found["current"]) == (460, 30)


@pytest.mark.parametrize(
    "text",
    [
        "月初 20815，月底 24310（度），做了15000件，每100件25度",
        "First of the month 20815 kWh, end of the month 24310 kWh; 15000 pcs; 25 kWh per 100 pcs",
    ],
)
def test_energy_is_the_difference_of_two_readings_of_a_meter(text: str) -> None:
    found = values("specific_energy", text)
    assert (found["energy"], found["quantity"], found["baseline"]) == (3495, 15000, 0.25)


def test_rate_in_a_table_is_the_time_of_one_piece() -> None:
    text = "计划忙碌时间h|实际生产时间h|理论产能 件/h|产量|良品\n22.5|19.2|75|1310|1288"
    found = values("oee", text)
    assert found["planned_run_time"] == pytest.approx(0.8)
    assert found["planned_busy_time"] == pytest.approx(1350)


def test_explanation_of_a_unit_is_no_value_and_a_numbered_machine_is_no_explanation() -> None:
    text = "Pump 1 flow = 20 m3/h, head 131 ft (1 ft = 0.3048 m), 3 kW, density 1000 kg/m3"
    found = values("pump_efficiency", text)
    assert (found["flow"], found["shaft_power"]) == (20, 3)
    assert found["head"] == pytest.approx(39.9288)


def test_few_machines_are_no_number_of_pieces() -> None:
    found = values("specific_energy", "18000 kWh with 4 furnaces, baseline 3.2 kWh per piece")
    assert found == {"energy": 18000, "baseline": 3.2}
