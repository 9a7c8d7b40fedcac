"""`/v1/plant/models/{model}/inputs`: which points are the inputs of a model, by concept or tag."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.api.plant.bodies import PATH, ModelInputsRequest
from gateway.api.plant.editing import PlantChange, provide_plant_change
from gateway.call.values import Principal
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.parsing import Parser
from gateway.plant.predictions.errors import AssetInputsInvalid
from gateway.plant.predictions.model_inputs import (
    list_model_inputs,
    save_model_inputs,
)
from gateway.plant.predictions.service import AssetPredictions
from gateway.plant.predictions.values import MappedInput
from gateway.plant.store.editing import Editing
from gateway.tables.plant_verdicts import PlantModelInput
from gateway.upstream.declared_inputs import fetch_declared_inputs
from gateway.upstream.model_metadata import ModelMetadata
from gateway.wire.body import decode_body_strict
from infra.database.database import Database

_DECODER = msgspec.json.Decoder(ModelInputsRequest)


class PlantModelInputRoutes(Controller):
    """The points that are inputs of a model, for every asset of the account."""

    path = f"{PATH}/models/{{model:str}}/inputs"
    dependencies = {"plant_change": Provide(provide_plant_change)}  # noqa: RUF012  # Litestar's

    @get("/", summary="Retrieve which points are inputs of a model")
    async def inputs(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        model: FromPath[str],
    ) -> dict[str, Any]:
        """Return the mapped inputs of a model."""
        async with database.transaction() as session:
            rows = await list_model_inputs(session, principal.account_id, model)
        return _inputs_json(model, rows)

    @get("/preview", summary="Preview the inputs of a model for an asset")
    async def preview(
        self,
        principal: NamedDependency[Principal],
        asset_inputs: NamedDependency[AssetPredictions],
        model: FromPath[str],
        asset: FromQuery[str],
    ) -> dict[str, Any]:
        """Return which point each input of a model would be read from now, with the newest values.

        `missing` lists the required inputs without a usable reading. Costs nothing.
        """
        found = await asset_inputs.find(principal, asset)
        signature = await asset_inputs.signature(principal, model)
        read = await asset_inputs.read(principal, found, model, signature)
        return {
            "object": "plant.model_inputs_preview",
            "model": model,
            "asset": found.code,
            "at": read.at.isoformat(),
            "inputs": read.inputs,
            "missing": read.missing,
        }

    @post("/", status_code=200, summary="Replace which points are inputs of a model")
    async def replace(
        self,
        plant_change: NamedDependency[PlantChange],
        principal: NamedDependency[Principal],
        parser: NamedDependency[Parser],
        model_metadata: NamedDependency[ModelMetadata],
        request: Request[Any, Any, Any],
        model: FromPath[str],
    ) -> dict[str, Any]:
        """Replace the mapped inputs of a model and return them."""
        mapped = _mapped(decode_body_strict(_DECODER, await request.body()))
        resolved = parser.resolve_model(model, None, PREDICTIONS, principal)
        fields = await fetch_declared_inputs(model_metadata, resolved, principal.account_id)
        known = {field.name for field in fields or ()}
        for name in mapped:
            if fields is not None and name not in known:
                message = f"The model has no input {name[:100]!r}."
                raise AssetInputsInvalid(message, param=f"inputs.{name[:100]}")

        async def edit(editing: Editing) -> dict[str, Any]:
            """Replace the inputs."""
            return _inputs_json(model, await save_model_inputs(editing, model, mapped))

        return await plant_change.apply(edit)


def _mapped(body: ModelInputsRequest) -> dict[str, MappedInput]:
    """Return the mapped inputs. Raises AssetInputsInvalid unless each has a concept or a tag."""
    for name, one in body.inputs.items():
        if (one.concept is None) == (one.tag is None):
            message = f"State either `concept` or `tag` of the input {name[:100]!r}."
            raise AssetInputsInvalid(message, param=f"inputs.{name[:100]}")
    return {
        name: MappedInput(one.concept or "", one.tag or "") for name, one in body.inputs.items()
    }


def _inputs_json(model: str, rows: Sequence[PlantModelInput]) -> dict[str, Any]:
    """Return mapped inputs as the API shows them."""
    inputs = {
        row.input: {"tag": row.tag} if row.tag else {"concept": row.concept_id} for row in rows
    }
    return {"object": "plant.model_inputs", "model": model, "inputs": inputs}
