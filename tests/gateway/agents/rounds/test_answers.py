"""Routes and answers: units, limits, alarms, times, and what is refused with its field."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields, read_toml
from gateway.agents.definitions.fields import definition_fields
from gateway.agents.definitions.toml_text import document_fields, toml_text
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.agents.rounds.answers import RoundAnswer, check_answers, newest, require_complete
from gateway.agents.rounds.errors import RoundAnswerInvalid, RoundIncomplete
from gateway.agents.rounds.findings import Classified, findings
from gateway.agents.rounds.schedule import newest_start, next_start
from gateway.agents.rules import RuleStatus
from tests.support.gateway.agents import definition, document
from tests.support.gateway.rounds import (
    BEGUN,
    LEAK,
    NOISE,
    NOW,
    PICTURE,
    VIBRATION,
    answer,
    plan,
    route,
)

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def checked(*sent: Any) -> dict[tuple[int, str], RoundAnswer]:
    return newest(check_answers(plan(), sent, BEGUN, NOW))


def test_route_is_written_back_unchanged_and_stops_default_to_the_asset_of_the_agent() -> None:
    found = definition(round=route(every="1d", at="06:30", within="2h"), rules=[])
    assert found.round is not None
    assert found.round.stops[0].asset == "P-1"
    assert check(read_fields(definition_fields(found))) == found
    assert check(read_toml(toml_text(document_fields(found)))) == found


@pytest.mark.parametrize(
    ("questions", "param"),
    [
        ([], "questions"),
        ([VIBRATION, VIBRATION], "questions"),
        ([{**VIBRATION, "id": "Über"}], "questions[0].id"),
        ([{**VIBRATION, "text": " "}], "questions[0].text"),
        ([{**VIBRATION, "text": {}}], "questions[0].text"),
        ([{**VIBRATION, "unit": "furlongs"}], "questions[0].unit"),
        ([{**VIBRATION, "low": 9}], "questions[0]"),
        ([{**VIBRATION, "high": 1e300}], "questions[0]"),
        ([{**LEAK, "unit": "mm"}], "questions[0]"),
        ([{**LEAK, "alarm": ["maybe"]}], "questions[0].alarm"),
        ([{**LEAK, "options": ["a", "b"]}], "questions[0].options"),
        ([{**LEAK, "photos": 6}], "questions[0].photos"),
        ([{**NOISE, "options": ["a"]}], "questions[0].options"),
        ([{**NOISE, "alarm": ["c"]}], "questions[0].alarm"),
    ],
)
def test_question_that_does_not_fit_is_refused_with_its_field(
    questions: list[Any], param: str
) -> None:
    with pytest.raises(AgentDefinitionInvalid) as caught:
        check(read_fields(document(round={"stops": [{"questions": questions}]})))
    assert caught.value.param == f"round.stops[0].{param}"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stops": []}, "round.stops"),
        ({"every": "1m"}, "round.every"),
        ({"at": "25:00"}, "round.at"),
        ({"within": "soon"}, "round.within"),
        ({"images": "none"}, "round.images"),
        ({"summary": "none"}, "round.summary"),
    ],
)
def test_route_that_does_not_fit_is_refused_with_its_field(
    fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(AgentDefinitionInvalid) as caught:
        check(read_fields(document(round=route(**fields))))
    assert caught.value.param == param


def test_number_is_converted_to_the_unit_of_its_question() -> None:
    found = checked(answer("vibration", 0.005, unit="m/s"))
    assert found[0, "vibration"].value == pytest.approx(5.0)
    assert found[0, "vibration"].unit == "mm/s"


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        (answer("vibration", 1, unit="bar"), "answers[0].unit"),
        (answer("vibration", 1, unit="none such"), "answers[0].unit"),
        (answer("vibration", "4"), "answers[0].value"),
        (answer("vibration", True), "answers[0].value"),
        (answer("vibration", float("inf")), "answers[0].value"),
        (answer("vibration", 1e300), "answers[0].value"),
        (answer("leak", "perhaps"), "answers[0].value"),
        (answer("leak", True, unit="mm"), "answers[0].unit"),
        (answer("noise", "medium"), "answers[0].value"),
        (answer("note", " "), "answers[0].value"),
        (answer("note", "x" * 2_001), "answers[0].value"),
        (answer("note", "a\0b"), "answers[0]"),
        (answer("seal", "ok"), "answers[0].value"),
        (answer("seal", None), "answers[0].note"),
        (answer("none", 1), "answers[0].question"),
        (answer("leak", True, stop=7), "answers[0].question"),
        (answer("leak", True, stop=-1), "answers[0].question"),
        (answer("leak", True, key=""), "answers[0].key"),
        (answer("leak", True, key="k" * 101), "answers[0].key"),
        (answer("leak", True, answered_at=datetime(2026, 3, 2, 6)), "answers[0].answered_at"),  # noqa: DTZ001
    ],
)
def test_answer_that_does_not_fit_is_refused_with_its_field(sent: Any, param: str) -> None:
    with pytest.raises(RoundAnswerInvalid) as caught:
        checked(sent)
    assert caught.value.param == param


def test_time_of_a_phone_whose_clock_is_wrong_becomes_the_nearest_possible_one() -> None:
    early = answer("leak", False, answered_at=BEGUN - timedelta(days=400))
    late = answer("noise", "low", answered_at=NOW + timedelta(hours=3))
    found = checked(early, late)
    assert found[0, "leak"].answered_at == BEGUN
    assert found[0, "noise"].answered_at == NOW


def test_answer_given_last_counts_in_whatever_order_answers_come() -> None:
    first = answer("noise", "low", key="a", answered_at=BEGUN)
    second = answer("noise", "high", key="b", answered_at=NOW)
    assert checked(second, first)[0, "noise"].value == "high"


def test_required_question_without_answer_is_named_and_a_photo_answers_its_question() -> None:
    found = checked(answer("vibration", 1), answer("leak", False))
    with pytest.raises(RoundIncomplete) as caught:
        require_complete(plan(), found, {})
    assert caught.value.param == "stops[0].noise"
    must = plan(stops=[{"questions": [{**PICTURE, "required": True}]}])
    require_complete(must, {}, {(0, "seal"): 1})


def test_answers_beyond_limits_and_with_alarms_are_raised() -> None:
    found = checked(
        answer("vibration", 5.0), answer("leak", True), answer("noise", "high"), answer("note", "x")
    )
    photos = [Classified((0, "seal"), "crack", 0.9)]
    results = findings(plan(), found, photos, "zh")
    assert [(one.name, one.status, one.detail) for one in results] == [
        ("P-1 · 振动", RuleStatus.RAISED, ""),
        ("P-1 · Leak?", RuleStatus.RAISED, "yes"),
        ("P-1 · Seal", RuleStatus.RAISED, "crack"),
    ]
    assert (results[0].value, results[0].limit, results[0].unit) == (5.0, 4.5, "mm/s")


def test_limits_themselves_are_allowed_and_what_was_not_possible_cannot_be_evaluated() -> None:
    found = checked(answer("vibration", 4.5), answer("leak", None, note="covered in snow"))
    results = findings(plan(), found, [Classified((0, "seal"), "fine", 0.8)], "en")
    assert [one.status for one in results] == [
        RuleStatus.QUIET,
        RuleStatus.STALE,
        RuleStatus.QUIET,
    ]


def test_rounds_begin_by_the_clock_on_the_wall_also_across_summer_time() -> None:
    daily = plan(every="1d", at="06:00")
    winter = newest_start(daily, BERLIN, datetime(2026, 3, 28, 12, tzinfo=UTC))
    summer = newest_start(daily, BERLIN, datetime(2026, 3, 29, 12, tzinfo=UTC))
    assert winter == datetime(2026, 3, 28, 5, tzinfo=UTC)
    assert summer == datetime(2026, 3, 29, 4, tzinfo=UTC)
    before = newest_start(daily, SHANGHAI, datetime(2026, 3, 1, 21, 59, tzinfo=UTC))
    assert before == datetime(2026, 2, 28, 22, tzinfo=UTC)
    assert next_start(daily, SHANGHAI, datetime(2026, 3, 1, 21, 59, tzinfo=UTC)) == datetime(
        2026, 3, 1, 22, tzinfo=UTC
    )


def test_weekly_rounds_begin_on_mondays_and_rounds_by_hand_never() -> None:
    weekly = plan(every="7d", at="08:00")
    begun = newest_start(weekly, BERLIN, datetime(2026, 3, 5, tzinfo=UTC))
    assert begun == datetime(2026, 3, 2, 7, tzinfo=UTC)
    assert newest_start(plan(), BERLIN, NOW) is next_start(plan(), BERLIN, NOW) is None
