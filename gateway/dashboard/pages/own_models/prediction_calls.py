"""The calls that predict a table, and their answers put together.

instances of a table -> calls, each with series of one length -> answers in the order of the table
-> CSV

A row, or a machine with series, costs the same in one call and in several.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from gateway.dashboard.pages.own_models.prediction_table import (
    Predictions,
    TableNotPredicted,
    render_predictions,
)
from gateway.dashboard.pages.own_models.refused_rows import message_on, refused_row
from gateway.wire.costs import COSTS
from gateway.wire.error_bodies import Refusal
from models.tables.instances import TableInstances
from models.tables.series_lengths import group_by_length, last_steps, notes_on

_BODY_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_INSTANCES_DECODER = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class TableCall:
    """A body of `/v1/predictions` with the instances at some positions, of one length.

    length: of their series, 0 for rows.
    """

    positions: tuple[int, ...]
    length: int
    body: bytes

    def take_out(self, place: int) -> tuple["TableCall", "TableCall"]:
        """Return the call of the instance at a place, and that of all others."""
        others = [one for one in range(len(self.positions)) if one != place]
        return self._of([place]), self._of(others)

    def _of(self, places: Sequence[int]) -> "TableCall":
        """Return the call of the instances at some places."""
        content = _BODY_DECODER.decode(self.body)
        instances = _INSTANCES_DECODER.decode(content["instances"])
        body = msgspec.json.encode({**content, "instances": [instances[one] for one in places]})
        return TableCall(tuple(self.positions[one] for one in places), self.length, body)


AnsweredCall = tuple[TableCall, Predictions | Refusal]


@dataclass(frozen=True, slots=True)
class TableAnswer:
    """The prediction of a row or machine, empty if there is none, with notes on it."""

    label: str
    prediction: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def plan_calls(
    model: str, found: TableInstances, costs: Mapping[str, Any] | None = None
) -> tuple[TableCall, ...]:
    """Return the calls of a table, longest series first.

    `costs` are those of wrong decisions, if stated.
    """
    parameters = {} if costs is None else {"parameters": {COSTS: costs}}
    calls = []
    for length, members in group_by_length(found.instances).items():
        instances = [last_steps(found.instances[one], length) for one in members]
        content = {"model": model, "instances": instances, "units": dict(found.units)}
        body = msgspec.json.encode({**content, **parameters})
        calls.append(TableCall(tuple(members), length, body))
    return tuple(calls)


def join_answers(found: TableInstances, answered: Sequence[AnsweredCall]) -> list[TableAnswer]:
    """Return what is answered for each instance in order, then the machines without an instance.

    The error of a call is the note of its instances, with the lines of the table. The first answer
    has the notes on the table too. Raises TableNotPredicted with the first error if no call was
    answered.
    """
    errors = {
        number: _message(found, call, answer)
        for number, (call, answer) in enumerate(answered)
        if isinstance(answer, Refusal)
    }
    if len(errors) == len(answered):
        raise TableNotPredicted(errors[0])
    joined: dict[int, TableAnswer] = {}
    for number, (call, answer) in enumerate(answered):
        for order, position in enumerate(call.positions):
            label = found.labels[position]
            if isinstance(answer, Refusal):
                joined[position] = TableAnswer(label, notes=(errors[number],))
            else:
                notes = notes_on(found.instances[position], call.length)
                joined[position] = TableAnswer(label, answer[order], notes)
    too_short = [TableAnswer(one.label, notes=(one.reason,)) for one in found.too_short]
    first, *others = [*(joined[position] for position in sorted(joined)), *too_short]
    return [replace(first, notes=(*found.notes, *first.notes)), *others]


def _message(found: TableInstances, call: TableCall, refusal: Refusal) -> str:
    """Return what an error says of the call's instance that it names, or of the call."""
    row = refused_row(refusal)
    # A machine that was left out has a call of its own, with the error of the call before.
    place = 0 if len(call.positions) == 1 else row
    if place is None or place >= len(call.positions):
        return refusal.message
    return message_on(found, call.positions[place], call.length, refusal)


def render_answers(
    machine: str, answers: Sequence[TableAnswer], translate: Callable[[str], str]
) -> bytes:
    """Return answers as CSV, with the notes as `translate` renders them.

    `machine` is the column of the table that names the machines, empty if there is none.
    """
    return render_predictions(
        machine or ("line" if answers[0].label else "series"),
        [one.label for one in answers],
        [one.prediction for one in answers],
        [" ".join(map(translate, one.notes)) for one in answers],
    )
