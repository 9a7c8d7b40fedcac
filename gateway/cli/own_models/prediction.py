"""`maas models predict`: predict a table through the API, with an API key of one's own."""

import os
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from gateway.cli.results import Record
from gateway.cli.runner import command
from gateway.dashboard.pages.own_models.prediction_table import (
    DecisionForm,
    TableNotPredicted,
    read_instances,
    read_predictions,
    render_predictions,
    render_request,
)
from gateway.upstream.declared_inputs import parse_declared_inputs
from infra.errors import AppError

KEY_VARIABLE = "MAAS_API_KEY"
_TIMEOUT_S = 120.0


class ApiUnreachable(AppError):
    """The API does not respond at its address, or the key is missing."""

    status = 503
    code = "api_unreachable"


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
    secret = os.environ.get(KEY_VARIABLE, "")
    if not secret:
        raise ApiUnreachable(f"Set {KEY_VARIABLE} to an API key, as programs use it.")
    decision = DecisionForm(false_alarm, miss, act_on, limit)
    headers = {"authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S) as http:
        content, cost = _predict(http, model, _Table(on, machine, horizon), decision)
    output_file.write_bytes(content)
    # Without the header of the CSV file, and its last line end.
    rows = content.count(b"\n") - 1
    return Record("Predictions written.", {"file": str(output_file), "rows": rows, "cost": cost})


def _predict(
    http: httpx.Client, model: str, table: _Table, decision: DecisionForm
) -> tuple[bytes, str]:
    """Return the predictions as CSV, and their cost with its currency."""
    metadata = _send(http, "GET", f"/v2/models/{model}")
    if metadata.status_code != HTTPStatus.OK:
        raise TableNotPredicted(_message(metadata), param="model")
    inputs = parse_declared_inputs(metadata.content)
    content = table.file.read_bytes()
    found = read_instances(content, inputs, table.machine, table.horizon)
    body = render_request(model, found, decision.costs())
    response = _send(http, "POST", "/v1/predictions", body)
    if response.status_code != HTTPStatus.OK:
        raise TableNotPredicted(_message(response))
    predictions = read_predictions(response.status_code, response.content)
    label = table.machine or ("line" if found.labels[0] else "series")
    cost = response.headers.get("x-maas-cost", "")
    return render_predictions(label, found.labels, predictions), cost


def _send(http: httpx.Client, method: str, path: str, body: bytes | None = None) -> httpx.Response:
    """Send a request. Raises ApiUnreachable."""
    headers = None if body is None else {"content-type": "application/json"}
    try:
        return http.request(method, path, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ApiUnreachable(
            f"The gateway does not respond at {http.base_url} ({type(error).__name__})."
        ) from None


def _message(response: httpx.Response) -> str:
    """Return the message of an error response."""
    try:
        error: Any = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return f"The gateway responded with status {response.status_code}."
    return str(error["message"] if isinstance(error, dict) else error)
