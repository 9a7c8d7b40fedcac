"""Tools on the plant model: find assets, predict from an asset's readings, list its verdicts.

A prediction is sent through the pipeline like a client's `/v1/predictions`.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import exists
from sqlmodel import col, select

from gateway.call.values import SignedInCaller
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.pipeline_client import PipelineClient
from gateway.mcp.account_tools import parse_arguments
from gateway.mcp.tools import Tool, ToolAnswer, ToolCaller, object_schema, result_schema
from gateway.plant.assets.ids import ASSET
from gateway.plant.predictions.verdicts import list_verdicts, verdict_json
from gateway.plant.store.queries import AssetFilter, find_asset, list_assets
from gateway.tables.plant import PlantAsset
from infra import ids
from infra.database.database import Database

_MAX_FOUND, _MAX_VERDICTS = 20, 20
_TEXT = {"type": "string"}
_OBJECTS = {"type": "array", "items": {"type": "object"}}
_Name = Annotated[str, Meta(min_length=1, max_length=1000)]


class FindArguments(msgspec.Struct, forbid_unknown_fields=True):
    """The arguments of `find_assets`."""

    text: Annotated[str, Meta(max_length=300)] = ""


class PredictArguments(msgspec.Struct, forbid_unknown_fields=True):
    """The arguments of `predict_asset`."""

    model: _Name
    asset: _Name
    values: dict[str, float | str | bool] = {}
    inputs: dict[str, str] = {}
    at: datetime | None = None


class VerdictArguments(msgspec.Struct, forbid_unknown_fields=True):
    """The arguments of `asset_verdicts`."""

    asset: _Name


FIND = Tool(
    name="find_assets",
    title="Find assets",
    description="Lists assets of the plant whose code or name contains a text.",
    input_schema=object_schema({"text": _TEXT}),
    output_schema=result_schema({"assets": _OBJECTS}, ["assets"]),
)
PREDICT = Tool(
    name="predict_asset",
    title="Predict for an asset",
    description=(
        "Calls a specialist with the newest readings of an asset, by its code or id. `values` are "
        "inputs that no point measures, `inputs` maps inputs of the model to tags, `at` is an "
        "earlier instant with a time zone. Costs the model's price of one row. The result says "
        "which points were used; missing inputs are named in the error."
    ),
    input_schema=object_schema(
        {
            "model": _TEXT,
            "asset": _TEXT,
            "values": {"type": "object"},
            "inputs": {"type": "object", "additionalProperties": _TEXT},
            "at": {"type": "string", "format": "date-time"},
        },
        ["model", "asset"],
    ),
    output_schema=result_schema(
        {
            "model": _TEXT,
            "values": {"type": "object"},
            "asset": {"type": "object"},
            "request_id": _TEXT,
        },
        ["model", "values", "asset", "request_id"],
    ),
    is_billed=True,
)
VERDICTS = Tool(
    name="asset_verdicts",
    title="List verdicts on an asset",
    description="Lists what specialists predicted for an asset, the newest first.",
    input_schema=object_schema({"asset": _TEXT}, ["asset"]),
    output_schema=result_schema({"verdicts": _OBJECTS}, ["verdicts"]),
)


class AssetTools:
    """The tools on an account's plant model; there are none without an asset."""

    kind = "asset"

    def __init__(self, client: PipelineClient, database: Database) -> None:
        self._client = client
        self._database = database
        self._handlers: Mapping[
            str, Callable[[ToolCaller, Mapping[str, Any]], Awaitable[ToolAnswer]]
        ] = {FIND.name: self._find, PREDICT.name: self._predict, VERDICTS.name: self._verdicts}

    async def list_tools(self, caller: ToolCaller) -> list[Tool]:
        """Return the tools if the account has an asset."""
        has_assets = select(
            exists().where(
                col(PlantAsset.account_id) == caller.principal.account_id,
                col(PlantAsset.retired_at).is_(None),
            )
        )
        async with self._database.transaction() as session:
            found = (await session.scalars(has_assets)).one()
        return [FIND, PREDICT, VERDICTS] if found else []

    async def call(
        self, caller: ToolCaller, name: str, arguments: Mapping[str, Any]
    ) -> ToolAnswer | None:
        """Call one of the tools. Raises ParameterInvalid, PlantNodeNotFound."""
        handler = self._handlers.get(name)
        return None if handler is None else await handler(caller, arguments)

    async def _find(self, caller: ToolCaller, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Return the assets that a text finds."""
        wanted = AssetFilter(text=parse_arguments(arguments, FindArguments).text.strip() or None)
        account_id = caller.principal.account_id
        async with self._database.transaction() as session:
            rows = await list_assets(session, account_id, wanted, _MAX_FOUND, None)
        found = [
            {
                "id": ids.format_id(ASSET, row.id),
                "code": row.code,
                "name": row.name,
                "level": row.level,
            }
            for row in rows
        ]
        return ToolAnswer({"assets": found})

    async def _predict(self, caller: ToolCaller, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Return the prediction of a specialist for an asset, or the error of the call."""
        wanted = parse_arguments(arguments, PredictArguments)
        options = {"values": wanted.values, "inputs": wanted.inputs, "at": wanted.at}
        body = {"model": wanted.model, "asset": wanted.asset, "asset_options": options}
        principal = caller.principal
        response = await self._client.post(
            PREDICTIONS,
            SignedInCaller(principal.account_id, principal.key_id),
            caller.headers,
            msgspec.json.encode(body),
            credentials=caller.credentials,
        )
        request_id = response.headers.get("x-request-id")
        answer = msgspec.json.decode(response.body)
        if response.status != 200:
            return ToolAnswer({**answer["error"], "request_id": request_id}, is_error=True)
        content = {
            "model": answer["model"],
            "values": answer["predictions"][0],
            "asset": answer["asset"],
            "request_id": request_id,
            "cost": response.headers.get("x-maas-cost"),
            "currency": response.headers.get("x-maas-currency"),
        }
        return ToolAnswer(content)

    async def _verdicts(self, caller: ToolCaller, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Return the newest verdicts on an asset."""
        asset = parse_arguments(arguments, VerdictArguments).asset
        account_id = caller.principal.account_id
        async with self._database.transaction() as session:
            row = await find_asset(session, account_id, asset)
            rows = await list_verdicts(session, account_id, row.id, _MAX_VERDICTS, None)
        return ToolAnswer({"verdicts": [verdict_json(one) for one in rows]})
