"""`maas models predict`: predict a table through the API, with an API key of one's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import httpx
import typer

from billing.money import nano_from_text, nano_text
from gateway.cli.api_client import error_message, open_api, send_request
from gateway.cli.results import Record
from gateway.cli.runner import command
from gateway.dashboard.pages.own_models.call_queue import CallQueue
from gateway.dashboard.pages.own_models.prediction_calls import (
    AnsweredCall,
    TableCall,
    join_answers,
    plan_calls,
    render_answers,
)
from gateway.dashboard.pages.own_models.prediction_table import (
    DecisionForm,
    TableNotPredicted,
    read_answer,
    read_instances,
)
from gateway.upstream.declared_inputs import parse_declared_inputs


@dataclass(frozen=True, slots=True)
class _Table:
    """A table to predict: its file, the column with the machine, and the steps of a forecast."""

    file: Path
    machine: str
    horizon: str


@command
def models_predict(
    model: Annotated[str, typer.Argument(help="ID of the model.")],
    on: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Table, CSV or Excel.")],
    output_file: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="CSV file to write.")
    ],
    machine: Annotated[str, typer.Option(help="Column with the machine, for series.")] = "",
    horizon: Annotated[str, typer.Option(help="Steps to forecast.")] = "",
    false_alarm: Annotated[str, typer.Option(help="Cost of a false alarm.")] = "",
    miss: Annotated[str, typer.Option(help="Cost of a missed event.")] = "",
    act_on: Annotated[str, typer.Option(help="Class to act on, for models of classes.")] = "",
    limit: Annotated[str, typer.Option(help="Value to act beyond, for models of numbers.")] = "",
    url: Annotated[str, typer.Option(help="Address of the gateway.")] = "http://127.0.0.1:8080",
) -> Record:
    """Predict the rows of a table; with costs, also whether to act on each.

    Billed like API calls to the key in the environment variable MAAS_API_KEY.
    """
    decision = DecisionForm(false_alarm, miss, act_on, limit)
    with open_api(url) as http:
        content, cost = _predict(http, model, _Table(on, machine, horizon), decision)
    output_file.write_bytes(content)
    # Without the header of the CSV file, and its last line end.
    rows = content.count(b"\n") - 1
    return Record("Predictions written.", {"file": str(output_file), "rows": rows, "cost": cost})


def _predict(
    http: httpx.Client, model: str, table: _Table, decision: DecisionForm
) -> tuple[bytes, str]:
    """Return the predictions as CSV, and their cost with its currency."""
    metadata = send_request(http, "GET", f"/v2/models/{model}")
    if metadata.status_code != HTTPStatus.OK:
        raise TableNotPredicted(error_message(metadata), param="model")
    inputs = parse_declared_inputs(metadata.content)
    content = table.file.read_bytes()
    found = read_instances(content, inputs, table.machine, table.horizon)
    calls = plan_calls(model, found, decision.costs())
    answered, costs = _send(http, calls)
    content = render_answers(table.machine, join_answers(found, answered), str)
    return content, nano_text(sum(costs)) if costs else ""


def _send(http: httpx.Client, calls: Sequence[TableCall]) -> tuple[list[AnsweredCall], list[int]]:
    """Make the calls and return their answers, and what they cost in billionths."""
    queue, costs = CallQueue(calls), []
    while (call := queue.next) is not None:
        response = send_request(http, "POST", "/v1/predictions", call.body)
        queue.record(read_answer(response.status_code, response.content))
        cost = response.headers.get("x-maas-cost", "")
        if response.status_code == HTTPStatus.OK and cost:
            costs.append(nano_from_text(cost))
    return queue.answered, costs
