"""The fields of a team as people write them: amounts and durations as texts; checked, pure."""

from typing import Any

import msgspec

from billing.money import nano_from_text, nano_text
from gateway.agents.board.errors import AgentTeamInvalid
from gateway.agents.definitions.durations import DurationInvalid, format_duration, parse_duration
from gateway.tables.agents_board import AgentTeam

MAX_NAME, MAX_LEASES, MAX_CHANGES = 120, 100, 1_000
_MAX_NANO = 10**18
_MIN_DEADLINE_S, _MAX_DEADLINE_S = 60, 31 * 86_400
_MIN_WINDOW_S, _MAX_WINDOW_S = 60, 31 * 86_400
_MAX_OPINIONS = 2


class TeamBudget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the calls of all members together may cost, as decimal texts."""

    per_call: str = "1"
    per_day: str = "20"
    per_month: str = "200"


class TeamOscillation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member whose decision about an asset changes more often within the window is stopped."""

    changes: int = 6
    window: str = "1h"


class TeamDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A team as written.

    `disagreement` is the difference of two probabilities above which verdicts conflict, `opinions`
    how many diagnosticians are asked. A task is stopped at its `deadline`, counted from its
    announcement, or after `max_leases` leases without a result.
    """

    name: str
    budget: TeamBudget = TeamBudget()
    disagreement: float = 0.4
    opinions: int = 1
    deadline: str = "1h"
    max_leases: int = 8
    oscillation: TeamOscillation = TeamOscillation()


def team_values(document: TeamDocument) -> dict[str, Any]:
    """Return the columns of a team. Raises AgentTeamInvalid."""
    name = document.name.strip()
    _require(0 < len(name) <= MAX_NAME and "\0" not in name, "name",
             f"must have 1 to {MAX_NAME} characters.")  # fmt: skip
    _require(0 < document.disagreement <= 1, "disagreement", "must be above 0 and at most 1.")
    is_count = 1 <= document.opinions <= _MAX_OPINIONS
    _require(is_count, "opinions", f"must be from 1 to {_MAX_OPINIONS}.")
    is_count = 1 <= document.max_leases <= MAX_LEASES
    _require(is_count, "max_leases", f"must be from 1 to {MAX_LEASES}.")
    is_count = 1 <= document.oscillation.changes <= MAX_CHANGES
    _require(is_count, "oscillation.changes", f"must be from 1 to {MAX_CHANGES}.")
    window_s = _seconds(document.oscillation.window, "oscillation.window")
    is_window = _MIN_WINDOW_S <= window_s <= _MAX_WINDOW_S
    _require(is_window, "oscillation.window", "must be from `1m` to `31d`.")
    task_s = _seconds(document.deadline, "deadline")
    _require(
        _MIN_DEADLINE_S <= task_s <= _MAX_DEADLINE_S, "deadline", "must be from `1m` to `31d`."
    )
    return {
        "name": name,
        "disagreement": document.disagreement,
        "opinions": document.opinions,
        "task_s": round(task_s),
        "max_leases": document.max_leases,
        "max_flips": document.oscillation.changes,
        "flip_s": round(window_s),
        **_budget(document.budget),
    }


def team_document(row: AgentTeam) -> TeamDocument:
    """Return the document of a team."""
    return TeamDocument(
        name=row.name,
        budget=TeamBudget(
            per_call=nano_text(row.call_nano),
            per_day=nano_text(row.day_nano),
            per_month=nano_text(row.month_nano),
        ),
        disagreement=row.disagreement,
        opinions=row.opinions,
        deadline=format_duration(row.task_s),
        max_leases=row.max_leases,
        oscillation=TeamOscillation(changes=row.max_flips, window=format_duration(row.flip_s)),
    )


def read_team(fields: object, before: TeamDocument | None = None) -> TeamDocument:
    """Return the document of decoded JSON; fields that are missing are those of `before`.

    Raises AgentTeamInvalid.
    """
    known = {} if before is None else msgspec.to_builtins(before)
    if not isinstance(fields, dict):
        raise AgentTeamInvalid("A team is an object with fields.")
    merged = {name: _merged(known.get(name), value) for name, value in fields.items()}
    try:
        return msgspec.convert({**known, **merged}, TeamDocument)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise AgentTeamInvalid(f"{message}.", param=path.rstrip("`").lstrip(".") or None) from error
    except RecursionError:
        raise AgentTeamInvalid("The team is nested too deeply.") from None


def _merged(before: object, value: object) -> object:
    """Return a field, with the fields of an object that are missing as before."""
    both = isinstance(before, dict) and isinstance(value, dict)
    return {**before, **value} if both else value  # type: ignore[dict-item]


def _budget(budget: TeamBudget) -> dict[str, int]:
    """Return the columns of the budget. Raises AgentTeamInvalid."""
    call = _nano(budget.per_call, "budget.per_call")
    day, month = (
        _nano(budget.per_day, "budget.per_day"),
        _nano(budget.per_month, "budget.per_month"),
    )
    in_order = call <= day <= month
    _require(in_order, "budget", "must not allow more a call than a day, or a day than a month.")
    return {"call_nano": call, "day_nano": day, "month_nano": month}


def _nano(text: str, field: str) -> int:
    """Return an amount in nano-units. Raises AgentTeamInvalid."""
    try:
        nano = nano_from_text(text)
    except ValueError:
        nano = -1
    _require(0 <= nano <= _MAX_NANO, field, "must be an amount such as `2.50`.")
    return nano


def _seconds(text: str, field: str) -> float:
    """Return the seconds of a duration. Raises AgentTeamInvalid."""
    try:
        return parse_duration(text)
    except DurationInvalid as error:
        raise AgentTeamInvalid(f"`{field}` {error}", param=field) from error


def _require(holds: bool, field: str, reason: str) -> None:
    """Raise AgentTeamInvalid for a field unless a condition holds."""
    if not holds:
        raise AgentTeamInvalid(f"`{field}` {reason}", param=field)
