"""Tables of predictions: a table and a form as instances, and predictions as CSV."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
import numpy as np

from billing.invoice_documents.rendering.csv import BYTE_ORDER_MARK, format_csv_rows
from gateway.upstream.declared_inputs import DeclaredInput
from gateway.wire.error_bodies import Refusal, read_refusal
from infra.errors import AppError
from infra.translations import gettext_noop
from models.decisions.costs import CLASS, FALSE_ALARM, LIMIT, MISS
from models.signature import InputInvalid
from models.tables.instances import TableInstances, build_instances
from models.tables.reading import read_table

# A call with more would keep the browser waiting for minutes.
MAX_INSTANCES = 20_000
# The input of a forecaster that is no column: how many steps to forecast.
HORIZON = "horizon"
_LIST_SEPARATOR = "; "
_DIGITS = 7

Predictions = Sequence[Mapping[str, Any]]


class TableNotPredicted(AppError):
    """A table for which no predictions were made; nothing was billed."""

    status = 422
    type = "invalid_request_error"
    code = "table_not_predicted"


@dataclass(frozen=True, slots=True)
class DecisionForm:
    """The costs of wrong decisions as a form or a command has them, as texts; empty for none.

    act_on: the class to act on. limit: the number to act beyond.
    """

    false_alarm: str
    miss: str
    act_on: str = ""
    limit: str = ""

    def costs(self) -> dict[str, Any] | None:
        """Return the `costs` of a request, None if none were stated. Raises InputInvalid."""
        stated = {FALSE_ALARM: self.false_alarm, MISS: self.miss, LIMIT: self.limit}
        if not any(text.strip() for text in (*stated.values(), self.act_on)):
            return None
        costs: dict[str, Any] = {}
        for name, text in stated.items():
            if text.strip() or name != LIMIT:
                costs[name] = _parse_amount(name, text)
        return {**costs, CLASS: self.act_on.strip()} if self.act_on.strip() else costs


def read_instances(
    content: bytes, inputs: Sequence[DeclaredInput], machine: str, horizon: str
) -> TableInstances:
    """Return the instances of an uploaded table.

    Raises TrainingFileInvalid for a file that is no table, and InputInvalid for one that does not
    fit the model or has more than MAX_INSTANCES.
    """
    constants = _constants(inputs, horizon)
    wanted = [one.as_column() for one in inputs]
    found = build_instances(
        read_table(content), wanted, machine=machine, constants=constants, skip_short=True
    )
    if len(found.instances) > MAX_INSTANCES:
        raise InputInvalid(gettext_noop("The table has more than 20,000 rows. Split it."))
    return found


def read_answer(status: int, body: bytes) -> Predictions | Refusal:
    """Return the predictions of a response, or its error."""
    if status == HTTPStatus.OK:
        predictions: Predictions = msgspec.json.decode(body)["predictions"]
        return predictions
    return read_refusal(status, body)


def render_predictions(
    label: str,
    labels: Sequence[str],
    predictions: Sequence[Mapping[str, Any]],
    notes: Sequence[str] = (),
) -> bytes:
    """Return predictions as CSV, one line for each instance, or for each step of its forecast.

    `label` is the header of the labels. An empty prediction is a line without values. `notes` on
    each prediction are a last column, if there are any.
    """
    first = next((one for one in predictions if one), {})
    names, has_steps = list(first), bool(_steps(first))
    of_each = notes if any(notes) else [""] * len(labels)
    lines = (
        [text, *cells, *([note] if any(notes) else [])]
        for text, prediction, note in zip(labels, predictions, of_each, strict=True)
        for cells in _lines(prediction, names, has_steps)
    )
    header = [label, *(["step"] if has_steps else []), *names, *(["note"] if any(notes) else [])]
    return BYTE_ORDER_MARK + format_csv_rows([header, *lines])


def _parse_amount(name: str, text: str) -> float:
    """Return a stated number, also with a decimal comma. Raises InputInvalid naming the field."""
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputInvalid(gettext_noop("Enter a number, such as 250 or 0.3."), param=name)
    if name != LIMIT and number <= 0:
        raise InputInvalid(gettext_noop("A cost must be greater than 0."), param=name)
    return number


def _constants(inputs: Iterable[DeclaredInput], horizon: str) -> dict[str, float]:
    """Return the forecast's number of steps, if the model has one. Raises InputInvalid."""
    if not any(one.name == HORIZON and one.length is None for one in inputs):
        return {}
    if not horizon.isdecimal() or not 1 <= int(horizon) <= 10_000:
        raise InputInvalid(gettext_noop("Enter how many steps to forecast."), param=HORIZON)
    return {HORIZON: float(horizon)}


def _steps(prediction: Mapping[str, Any]) -> int:
    """Return the number of steps of a forecast, 0 for another prediction."""
    forecast = prediction.get("forecast")
    return len(forecast) if isinstance(forecast, list) else 0


def _lines(prediction: Mapping[str, Any], names: Sequence[str], has_steps: bool) -> list[list[str]]:
    """Return the cells of a prediction: a line, or for a forecast a line for each step."""
    steps = _steps(prediction)
    if not steps:
        step = [""] if has_steps else []
        return [[*step, *(_cell(prediction.get(name)) for name in names)]]
    return [
        [str(step + 1), *(_cell(_at(prediction.get(name), step, steps)) for name in names)]
        for step in range(steps)
    ]


def _at(value: Any, step: int, steps: int) -> Any:
    """Return the value of a step of a list with as many values, else the value itself."""
    return value[step] if isinstance(value, list) and len(value) == steps else value


def _cell(value: Any) -> str:
    """Return a value as the text of a cell."""
    if isinstance(value, list):
        return _LIST_SEPARATOR.join(_cell(one) for one in value)
    if isinstance(value, float):
        # Without an exponent: spreadsheets take `-1e-05` for a formula.
        return np.format_float_positional(value, _DIGITS, fractional=False, trim="-")
    return "" if value is None else str(value)
