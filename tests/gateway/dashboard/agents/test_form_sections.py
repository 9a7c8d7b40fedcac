"""Sections of the form with rows: team, commands, route and schedule; pure."""

from typing import Any

import pytest

from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields
from gateway.agents.definitions.templates import read_templates
from gateway.agents.definitions.toml_text import document_fields
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.dashboard.pages.agents.form import (
    document_of_form,
    field_of_error,
    form_values,
    values_after_conflict,
)
from gateway.dashboard.pages.agents.form_sections.rows import change_rows
from gateway.dashboard.pages.agents.form_sections.sections import form_sections
from tests.support.gateway.agents import PREDICTION, definition

COMMAND = {"tag": "V1.SP", "value": 3.5, "unit": "bar", "when": "inspect"}
ROUND = "inspection-round"
OWN_TARIFF = {"currency": "CNY", "periods": [{"start": "00:00", "name": "flat", "price": 0.5}]}


def document(**fields: Any) -> dict[str, Any]:
    """Return all fields of a document, as the form gets them."""
    return document_fields(definition(**fields))


def template(name: str, **fields: Any) -> dict[str, Any]:
    return {**read_templates()[name].for_asset("T1", "Tank"), **fields}


def saved(document: dict[str, Any], values: dict[str, str]) -> Any:
    return check(read_fields(document_of_form(document, values)))


@pytest.mark.parametrize(
    "stated",
    [
        document(commands=[COMMAND], actions=["write"]),
        document(
            commands=[{"tag": "V1.SP", "between": [50, 20], "moving_within": "30m"}],
            actions=["write"],
            prediction=PREDICTION,
        ),
        document(board={"team": "Mills", "role": "monitor"}),
        template("energy-scheduler"),
        template(
            "energy-scheduler",
            schedule={**template("energy-scheduler")["schedule"], "tariff": OWN_TARIFF},
        ),
        template(ROUND),
    ],
    ids=["command", "range of values", "team", "schedule", "own tariff", "route"],
)
def test_section_is_the_same_after_the_form(stated: dict[str, Any]) -> None:
    assert saved(stated, form_values(stated)) == check(read_fields(stated))


def test_route_that_the_form_cannot_show_is_kept() -> None:
    text = {"en": "Leak?", "de": "Leck?"}
    question = {"id": "leak", "text": text, "kind": "yes_no"}
    long = [{**question, "id": f"q{at}", "text": "?"} for at in range(30)]
    for questions, times in (([question], 1), (long, 3)):
        stated = document(round={"stops": [{"questions": questions}] * times})
        values = form_values(stated)
        assert form_sections(stated, values).is_long_route
        assert saved(stated, values) == check(read_fields(stated))


def test_rows_are_added_and_removed() -> None:
    stated = document(actions=["write"], commands=[COMMAND])
    values = change_rows(form_values(stated), "add:commands")
    assert form_sections(stated, values).commands == ["commands[0]", "commands[1]"]
    values = change_rows(values, "remove:commands[0]")
    values |= {"commands[1].tag": "V1.X", "commands[1].value": "7"}
    command = saved(stated, values).commands
    assert [(one.tag, one.value, one.when) for one in command] == [("V1.X", 7.0, "stop")]
    values = change_rows({**values, "action:write": ""}, "remove:commands[1]")
    assert "commands" not in document_of_form(stated, values)


def test_new_stop_has_a_question_and_the_last_one_removed_ends_the_route() -> None:
    stated = document()
    values = change_rows(form_values(stated), "add:round.stops")
    values = change_rows(values, "add:round.stops[0].questions")
    stop = form_sections(stated, values).stops[0]
    assert len(stop.questions) == 2
    values = change_rows(values, "remove:round.stops[0].questions[0]")
    at = "round.stops[0].questions[1]"
    values |= {f"{at}.id": "oil", f"{at}.text.zh": "油位", f"{at}.high": "9"}
    question = saved(stated, values).round.stops[0].questions[0]
    assert (question.text, question.high, question.required) == ({"zh": "油位"}, 9.0, True)
    values = change_rows(values, "remove:round.stops[0]")
    assert saved(stated, values).round is None


@pytest.mark.parametrize("change", ["", "add:rules", "remove:commands", "add:round", "x" * 5_000])
def test_unknown_change_of_rows_changes_nothing(change: str) -> None:
    values = form_values(document(actions=["write"], commands=[COMMAND]))
    assert change_rows(values, change) == values


@pytest.mark.parametrize(
    ("name", "wrong", "field"),
    [
        ("commands", {"commands[1].value": "much"}, "commands[1].value"),
        ("commands", {"commands[1].at_one": "20"}, "commands[1].at_one"),
        ("commands", {"commands[1].unit": "furlong²"}, "commands[1].unit"),
        ("commands", {"commands[1].valid_for": "soon"}, "commands[1].valid_for"),
        ("commands", {"action:write": ""}, "commands"),
        ("route", {"round.stops[0].questions[1].high": "hot"}, "round.stops[0].questions[1].high"),
        ("route", {"round.stops[0].questions[1].low": "99"}, "round.stops[0].questions[1].kind"),
        ("route", {"round.stops[0].questions[1].id": "vibration"}, "round.stops[0].questions"),
        ("route", {"round.stops[0].questions[2].photos": "many"},
         "round.stops[0].questions[2].photos"),
        ("route", {"round.every": "1m"}, "round.every"),
        ("schedule", {"schedule.pumps[1].flow": ""}, "schedule.pumps[1].flow"),
        ("schedule", {"schedule.pumps[1].power": "0"}, "schedule.pumps[1].flow"),
        ("schedule", {"schedule.level.minimum": "700"}, "schedule.level.minimum"),
        ("schedule", {"schedule.tariff": "own"}, "schedule.tariff"),
        ("schedule", {"schedule.low": "x"}, "schedule.low"),
        ("team", {"board.team": "x" * 121}, "board.team"),
    ],
)  # fmt: skip
def test_error_stands_beside_the_field_of_its_row(
    name: str, wrong: dict[str, str], field: str
) -> None:
    stated = {
        "commands": document(actions=["write"], commands=[COMMAND]),
        "route": template(ROUND),
        "schedule": template("energy-scheduler"),
        "team": document(),
    }[name]
    values = change_rows(form_values(stated), "add:commands") if name == "commands" else {}
    values |= {"commands[1].tag": "X", "commands[1].value": "1"} if values else form_values(stated)
    with pytest.raises(AgentDefinitionInvalid) as raised:
        saved(stated, {**values, **wrong})
    assert field_of_error(stated, values, raised.value.param) == field


def test_rows_of_the_sender_are_not_mixed_with_those_of_a_newer_version() -> None:
    mine = change_rows(form_values(document()), "add:commands")
    newer = document(actions=["write"], commands=[COMMAND, {**COMMAND, "tag": "V1.B"}])
    kept = values_after_conflict(newer, mine)
    assert form_sections(newer, kept).commands == ["commands[0]"]
    assert kept.get("commands[0].tag", "") == ""
