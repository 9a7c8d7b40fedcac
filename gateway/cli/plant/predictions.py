"""`maas plant predict`, `verdicts` and `inputs`: specialists on assets, through the API."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.call.errors import ParameterInvalid
from gateway.cli.api_client import open_api, require_success, send_request
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command
from gateway.plant.predictions.verdicts import VERDICT, list_verdicts, verdict_json
from gateway.plant.store.queries import find_asset
from infra import ids

Url = Annotated[str, typer.Option(help="Address of the gateway.")]
_LOCAL = "http://127.0.0.1:8080"
_INPUTS = ("name", "origin", "tag", "value", "unit", "age_s")
_VERDICTS = ("at", "model", "version", "verdict", "request_id")


@command
def plant_predict(
    asset: Annotated[str, typer.Argument(help="Code or ID of the asset.")],
    model: Annotated[str, typer.Option(help="ID of the specialist.")],
    value: Annotated[
        list[str] | None, typer.Option(help="Input that no point measures, as name=value.")
    ] = None,
    input_tag: Annotated[
        list[str] | None, typer.Option("--input", help="Tag of an input, as name=tag.")
    ] = None,
    at: Annotated[datetime | None, typer.Option(help="Earlier instant, in UTC.")] = None,
    url: Url = _LOCAL,
) -> Report:
    """Predict for an asset from its newest readings.

    Billed like an API call to the key in the environment variable MAAS_API_KEY.
    """
    values = {name: _scalar(text) for name, text in _pairs(value, "value").items()}
    options: dict[str, Any] = {"values": values, "inputs": _pairs(input_tag, "input")}
    if at is not None:
        options["at"] = f"{at.isoformat()}Z"
    body = msgspec.json.encode({"model": model, "asset": asset, "asset_options": options})
    with open_api(url) as http:
        response = require_success(send_request(http, "POST", "/v1/predictions", body))
    answer = response.json()
    cost = response.headers.get("x-maas-cost", "")
    outputs = answer["predictions"][0]
    shown = {"asset": answer["asset"]["code"], **outputs, "request_id": answer["id"], "cost": cost}
    inputs = Table(answer["asset"]["inputs"], _INPUTS)
    return Report(answer, [Record("Prediction made.", shown), inputs])


@command
async def plant_verdicts(
    session: AsyncSession,
    asset: Annotated[str, typer.Argument(help="Code or ID of the asset.")],
    account: Annotated[str, typer.Option("--account", help="Account ID (acct_…) or name.")],
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many to list at most.")] = 20,
    after: Annotated[str | None, typer.Option(help="ID after which the list begins.")] = None,
) -> Table:
    """List what specialists predicted for an asset, the newest first."""
    account_id = (await get_account(session, account)).id
    cursor = None if after is None else ids.parse_id(VERDICT, after)
    row = await find_asset(session, account_id, asset)
    rows = await list_verdicts(session, account_id, row.id, limit, cursor)
    shown = [verdict_json(one) for one in rows]
    return Table(
        [{**one, "verdict": (one["finding"] or {}).get("verdict", "")} for one in shown], _VERDICTS
    )


@command
def plant_inputs(
    model: Annotated[str, typer.Argument(help="ID of the model.")],
    mapped: Annotated[
        list[str] | None,
        typer.Option("--set", help="name=tag:{asset}.TI or name=concept:ID; replaces all."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Map no input.")] = False,
    preview: Annotated[
        str, typer.Option(help="Code or ID of an asset: show the newest value of each input.")
    ] = "",
    url: Url = _LOCAL,
) -> Report:
    """Show or replace the points that are inputs of a model, by tag or concept.

    Uses the API key in the environment variable MAAS_API_KEY.
    """
    path = f"/v1/plant/models/{quote(model, safe='')}/inputs"
    with open_api(url) as http:
        if mapped or clear:
            inputs = {name: _mapping(text) for name, text in _pairs(mapped, "set").items()}
            body = msgspec.json.encode({"inputs": inputs})
            response = send_request(http, "POST", path, body)
        else:
            response = send_request(http, "GET", path)
        answer = require_success(response).json()
        if preview:
            asked = f"{path}/preview?asset={quote(preview, safe='')}"
            read = require_success(send_request(http, "GET", asked)).json()
            missing = Table(read["missing"], ("name", "reason", "tag"))
            return Report(read, [Table(read["inputs"], _INPUTS), missing])
    rows = [{"input": name, **one} for name, one in answer["inputs"].items()]
    return Report(answer, [Table(rows, ("input", "concept", "tag"))])


def _pairs(texts: Sequence[str] | None, option: str) -> Mapping[str, str]:
    """Return options of the form name=text by name. Raises ParameterInvalid."""
    pairs = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise ParameterInvalid(f"Write --{option} as name=text.", param=option)
        pairs[name] = value
    return pairs


def _mapping(text: str) -> Mapping[str, str]:
    """Return tag or concept of an input. Raises ParameterInvalid."""
    kind, sign, value = text.partition(":")
    if not sign or kind not in ("tag", "concept"):
        raise ParameterInvalid("Write --set as name=tag:TAG or name=concept:ID.", param="set")
    return {kind: value}


def _scalar(text: str) -> float | str:
    """Return a number if the text is one."""
    try:
        return float(text)
    except ValueError:
        return text
