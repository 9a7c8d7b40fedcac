"""One tool per specialist, mechanism and own model: a call predicts one row.

A call is sent through the pipeline like a client's `/v1/predictions`, with the same limits, holds,
price and usage row.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from billing.money import nano_text
from gateway.access.model_views import callable_models
from gateway.call.errors import ModelNotFound, ModelNotInstalled
from gateway.call.values import Principal, ResolvedModel, SignedInCaller
from gateway.inference.endpoints.infer import INFER
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.parsing import Parser
from gateway.inference.pipeline_client import PipelineClient, PipelineResponse
from gateway.mcp.schemas import input_schema, output_schema, output_units, units_argument
from gateway.mcp.tools import Tool, ToolAnswer, ToolCaller
from gateway.upstream.availability import Availability
from gateway.upstream.signatures import Signatures
from models.catalog import SPECIALIST_TASKS, Model
from models.signature import Signature

# Clients of language models accept no other names.
_OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9_-]")
_MAX_NAME_LENGTH = 64
_DIGEST_LENGTH = 8
_MAX_LISTED_OWN = 32
# A list of tools does not wait longer for a model's server, which may have to start.
_SIGNATURE_TIMEOUT_S = 5.0
_NO_COLUMNS = Signature((), (), "")


class _Predictions(msgspec.Struct):
    """The fields of a response of `/v1/predictions`."""

    model: str
    predictions: list[dict[str, Any]]


class _ErrorBody(msgspec.Struct):
    """A response with an error."""

    error: dict[str, Any]


_PREDICTIONS = msgspec.json.Decoder(_Predictions)
_ERROR = msgspec.json.Decoder(_ErrorBody)


class ModelTools:
    """The tools that call specialist models."""

    kind = "model"

    def __init__(
        self,
        availability: Availability,
        parser: Parser,
        signatures: Signatures,
        client: PipelineClient,
    ) -> None:
        self._availability = availability
        self._parser = parser
        self._signatures = signatures
        self._client = client

    async def list_tools(self, caller: ToolCaller) -> list[Tool]:
        """Return a tool for each model that the key may call and that declares its columns."""
        models = _listed(self._callable(caller.principal), caller.principal)
        tools = (self._tool(caller.principal, name, model) for name, model in models.items())
        return [tool for tool in await asyncio.gather(*tools) if tool is not None]

    async def call(
        self, caller: ToolCaller, name: str, arguments: Mapping[str, Any]
    ) -> ToolAnswer | None:
        """Predict one row; None if the key may call no model with a tool of this name."""
        models = self._callable(caller.principal)
        model_name = next((one for one in models if tool_name(one) == name), None)
        if model_name is None:
            return None
        signature = await self._signature(caller.principal, model_name) or _NO_COLUMNS
        units = units_argument(signature)
        row = {key: value for key, value in arguments.items() if key != units}
        body = {"model": model_name, "instances": [row], "units": arguments.get(units) or {}}
        principal = caller.principal
        response = await self._client.post(
            PREDICTIONS,
            SignedInCaller(principal.account_id, principal.key_id),
            caller.headers,
            msgspec.json.encode(body),
            credentials=caller.credentials,
        )
        return _answer(response, signature)

    def _callable(self, principal: Principal) -> dict[str, Model]:
        """Return the specialists that the key may call, by public name; aliases are left out."""
        return {
            name: model
            for name, model in callable_models(self._availability.catalog, principal)
            if model.task in SPECIALIST_TASKS
            and model.id in principal.model_prices
            and _answers(name, model, principal)
        }

    async def _tool(self, principal: Principal, name: str, model: Model) -> Tool | None:
        """Return the tool of a model, None if its columns are not known."""
        signature = await self._signature(principal, name)
        if signature is None:
            return None
        return Tool(
            name=tool_name(name),
            title=name,
            description=f"{model.description} {_price_text(model, principal)}".strip(),
            input_schema=input_schema(signature),
            output_schema=output_schema(signature),
            is_billed=True,
        )

    async def _signature(self, principal: Principal, name: str) -> Signature | None:
        """Return the columns of a model, None if it is not served."""
        try:
            resolved: ResolvedModel = self._parser.resolve_model(name, None, INFER, principal)
        except (ModelNotFound, ModelNotInstalled):
            return None
        try:
            async with asyncio.timeout(_SIGNATURE_TIMEOUT_S):
                return await self._signatures.find(resolved, principal.account_id)
        except TimeoutError:
            return None


def _listed(models: Mapping[str, Model], principal: Principal) -> Mapping[str, Model]:
    """Return the models of a list: only some own ones, because a server loads each to describe it.

    The others can be called all the same.
    """
    own = [name for name in models if name in principal.variants]
    left_out = frozenset(own[_MAX_LISTED_OWN:])
    return {name: model for name, model in models.items() if name not in left_out}


def tool_name(model_name: str) -> str:
    """Return the name of a model's tool. A long one ends with a digest, so that it stays unique."""
    name = _OTHER_CHARACTERS.sub("_", model_name)
    if len(name) <= _MAX_NAME_LENGTH:
        return name
    digest = hashlib.sha256(model_name.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: _MAX_NAME_LENGTH - _DIGEST_LENGTH - 1]}_{digest}"


def _answers(name: str, model: Model, principal: Principal) -> bool:
    """Return whether a name is that of an own model, or of a model that needs no fitting."""
    if name in principal.variants:
        return True
    return name == model.id and not model.weights.needs_fitting


def _price_text(model: Model, principal: Principal) -> str:
    """Return what one row or image costs the account."""
    meter = "images" if model.counts_images else "rows"
    nano = principal.model_prices[model.id].prices.get(meter)
    unit = meter.removesuffix("s")
    return "" if nano is None else f"Price: {nano_text(nano)} {principal.currency} per {unit}."


def _answer(response: PipelineResponse, signature: Signature) -> ToolAnswer:
    """Return the structured result of a prediction, or the error of the call."""
    request_id = response.headers.get("x-request-id")
    if response.status != 200:
        error = _ERROR.decode(response.body).error
        return ToolAnswer({**error, "request_id": request_id}, is_error=True)
    predicted = _PREDICTIONS.decode(response.body)
    content = {
        "model": predicted.model,
        "version": signature.version,
        "values": predicted.predictions[0],
        "units": output_units(signature),
        "request_id": request_id,
        "cost": response.headers.get("x-maas-cost"),
        "currency": response.headers.get("x-maas-currency"),
    }
    return ToolAnswer(content)
