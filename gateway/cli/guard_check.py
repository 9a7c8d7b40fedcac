"""`maas guards check`: check a text with a moderation or guard model, through the API."""

from http import HTTPStatus
from typing import Annotated

import msgspec
import typer

from gateway.cli.api_client import error_message, open_api, send_request
from gateway.cli.results import Record
from gateway.cli.runner import command
from infra.errors import AppError

_FLAGGED = 2


class CheckFailed(AppError):
    """The service did not check the text."""

    status = 502
    code = "check_failed"


@command
def guards_check(
    text: Annotated[str, typer.Argument(help="The text to check.")],
    model: Annotated[
        str | None, typer.Option(help="Model to ask. Default: the first moderation model.")
    ] = None,
    url: Annotated[str, typer.Option(help="Address of the gateway.")] = "http://127.0.0.1:8080",
) -> Record:
    """Check a text with a moderation or guard model; exits with code 2 if it is flagged.

    Billed like an API call to the key in the environment variable MAAS_API_KEY.
    """
    body = {"input": text, **({} if model is None else {"model": model})}
    with open_api(url) as http:
        response = send_request(http, "POST", "/v1/moderations", msgspec.json.encode(body))
    if response.status_code != HTTPStatus.OK:
        raise CheckFailed(error_message(response))
    answer = response.json()
    result = answer["results"][0]
    fields = {
        "model": answer["model"],
        "flagged": result["flagged"],
        "categories": [name for name, found in result["categories"].items() if found],
        "reported": result.get("x_maas_hazards", []),
        "safety": result.get("x_maas_safety"),
        "cost": response.headers.get("x-maas-cost", ""),
    }
    if result["flagged"]:
        return Record("Flagged.", fields, _FLAGGED)
    return Record("Not flagged.", fields)
