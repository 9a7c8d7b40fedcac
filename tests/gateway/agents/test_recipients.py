"""`[recipients]` of a definition, and fields that an edited definition keeps."""

from typing import Any

import pytest

from gateway.agents.definitions.document import read_fields, read_toml
from gateway.agents.definitions.fields import definition_fields
from gateway.agents.definitions.toml_text import document_fields, toml_text
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.agents.store.agents import read_definition, write_definition
from tests.support.gateway.agents import PREDICTION, definition, document


@pytest.mark.parametrize("time", ["8:00", "24:00", "08:60", "08:00:00", "soon", "０８:00"])
def test_time_of_the_daily_report_that_is_none_is_refused(time: str) -> None:
    with pytest.raises(AgentDefinitionInvalid) as caught:
        definition(recipients={"daily_report": time})
    assert caught.value.param == "recipients.daily_report"


@pytest.mark.parametrize("recipients", [{"daily": "08:00"}, {"daily_report": 8}, []])
def test_unknown_field_or_type_of_recipients_is_refused(recipients: Any) -> None:
    with pytest.raises(AgentDefinitionInvalid):
        read_fields(document(recipients=recipients))


def test_report_and_ledger_event_survive_storing_and_editing_as_text() -> None:
    step = {**PREDICTION, "event": "pump_failure"}
    made = definition(prediction=step, recipients={"daily_report": " 08:00 "})
    assert made.recipients.daily_report == "08:00"
    assert read_definition(write_definition(made)) == made
    assert definition(**definition_fields(made)) == made
    again = read_toml(toml_text(document_fields(made)))
    assert again.recipients.daily_report == "08:00"
    assert again.prediction is not None
    assert again.prediction.event == "pump_failure"
    assert "recipients" not in document_fields(definition(recipients={"daily_report": ""}))
