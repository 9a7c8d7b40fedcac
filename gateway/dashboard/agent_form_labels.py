"""Texts of the form of an agent for the dashboard: words, and errors of sections with rows."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

AGENT_FORM_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "question_kind": {
            "number": gettext_noop("A number"),
            "yes_no": gettext_noop("Yes or no"),
            "choice": gettext_noop("One of several options"),
            "text": gettext_noop("A text"),
            "photo": gettext_noop("A photo"),
        },
        "schedule_tariff": {
            "four-price-example": gettext_noop("Example with four prices"),
            "own": gettext_noop("Own tariff, by the periods below"),
        },
    }
)
_NUMBER = gettext_noop("Enter a number.")
_POINT = gettext_noop("Choose a point.")
_UNIT = gettext_noop("This unit is not known.")
_DURATION = gettext_noop("Enter a duration such as 15m, 8h or 1d.")
_QUESTION = "agent_definition_invalid.round.stops.questions"
_SCHEDULE = "agent_definition_invalid.schedule"
_COMMAND = "agent_definition_invalid.commands"
AGENT_FORM_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "agent_definition_invalid.board.team": gettext_noop("Choose a team."),
        "agent_definition_invalid.board.role": gettext_noop("Choose a role."),
        _COMMAND: gettext_noop(
            "Commands and the permitted action “Command to a machine” go together, up to 10 "
            "commands, each point once for a decision."
        ),
        f"{_COMMAND}.tag": _POINT,
        f"{_COMMAND}.value": _NUMBER,
        f"{_COMMAND}.at_one": gettext_noop(
            "Enter a number. It needs a specialist that states a probability."
        ),
        f"{_COMMAND}.unit": _UNIT,
        f"{_COMMAND}.valid_for": _DURATION,
        f"{_COMMAND}.moving_within": _DURATION,
        "agent_definition_invalid.round.stops": gettext_noop("A route has 1 to 100 stops."),
        "agent_definition_invalid.round.every": gettext_noop(
            "Enter a duration from 15m to 366d, such as 1d."
        ),
        "agent_definition_invalid.round.at": gettext_noop("Enter a time such as 06:30."),
        "agent_definition_invalid.round.within": _DURATION,
        "agent_definition_invalid.round.images": gettext_noop("Choose an allowed specialist."),
        "agent_definition_invalid.round.summary": gettext_noop("Choose an allowed language model."),
        "agent_definition_invalid.round.stops.asset": gettext_noop("Enter the code of an asset."),
        _QUESTION: gettext_noop("A stop has 1 to 30 questions with different short names."),
        f"{_QUESTION}.id": gettext_noop(
            "Enter a short name of small letters, digits and _, such as oil_level."
        ),
        f"{_QUESTION}.text.en": gettext_noop("Enter the question, at most 300 characters."),
        f"{_QUESTION}.kind": gettext_noop(
            "Unit, limits and point are for numbers only. The lower limit is below the upper one."
        ),
        f"{_QUESTION}.unit": _UNIT,
        f"{_QUESTION}.low": _NUMBER,
        f"{_QUESTION}.high": _NUMBER,
        f"{_QUESTION}.options": gettext_noop(
            "Enter 2 to 20 different options for a choice, none for other kinds."
        ),
        f"{_QUESTION}.alarm": gettext_noop(
            "Only answers of this question can raise an alarm: its options, or yes or no."
        ),
        f"{_QUESTION}.photos": gettext_noop("Enter a number from 0 to 5."),
        f"{_SCHEDULE}.pumps": gettext_noop("A schedule has 1 to 8 pumps. Each point is used once."),
        f"{_SCHEDULE}.pumps.flow": gettext_noop("Enter a flow and a power above 0."),
        f"{_SCHEDULE}.pumps.power": gettext_noop("Enter a flow and a power above 0."),
        f"{_SCHEDULE}.tariff": gettext_noop(
            "A tariff of your own needs a currency and periods with prices. The first one starts "
            "at 00:00, the others follow in order."
        ),
        f"{_SCHEDULE}.level": _NUMBER,
        f"{_SCHEDULE}.level.unit": _UNIT,
        f"{_SCHEDULE}.level.minimum": gettext_noop(
            "Enter a number of 0 or more, below the highest permitted level."
        ),
        f"{_SCHEDULE}.level.maximum": _NUMBER,
        f"{_SCHEDULE}.level.m3_per_unit": gettext_noop("Enter a number above 0."),
        f"{_SCHEDULE}.level.stale_after": _DURATION,
        f"{_SCHEDULE}.level.frozen_after": _DURATION,
        f"{_SCHEDULE}.demand.unit": _UNIT,
        f"{_SCHEDULE}.demand.maximum": gettext_noop("Enter a number above 0."),
        f"{_SCHEDULE}.low": gettext_noop(
            "Enter a level below the one at which pumps stop, both within the permitted levels."
        ),
        f"{_SCHEDULE}.high": _NUMBER,
        f"{_SCHEDULE}.start_price": gettext_noop("Enter a number of 0 or more."),
        f"{_SCHEDULE}.time_zone": gettext_noop("Enter a time zone such as Asia/Shanghai."),
        f"{_SCHEDULE}.slot": gettext_noop(
            "Enter 5m, 10m, 15m, 20m, 30m or 60m. It must divide the time zone's offset from UTC."
        ),
        f"{_SCHEDULE}.horizon": gettext_noop("Enter a duration from one step to 2d."),
    }
)
