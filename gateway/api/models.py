"""`/v1/models`: the models a key may call, the fine-tuned variants of its account included."""

from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from billing.metering.key_epoch import read_epoch
from gateway.access.model_views import callable_models, list_models, render_model
from gateway.access.propagation import Propagation
from gateway.api.actors import key_actor
from gateway.call.values import Principal
from gateway.fine_tuning import deletion
from gateway.fine_tuning.removal import VariantRemoval
from gateway.inference.endpoints.table import MESSAGES
from gateway.upstream.availability import Availability, find_catalog_model
from gateway.wire.messages.models import VERSION_HEADER, model_info, model_list
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog

_WithFiles = Annotated[
    bool,
    QueryParameter(description="Also delete the training files that no other model was trained on"),
]


class ModelRoutes(Controller):
    """Models and variants; a variant of another account is reported as not found."""

    path = "/v1/models"

    @get("/", summary="List models with their prices")
    async def models(
        self,
        principal: NamedDependency[Principal],
        availability: NamedDependency[Availability],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Return the model objects of all models, aliases and variants that the key may call.

        Clients that send `anthropic-version` get the models of `/v1/messages` in Anthropic's shape.
        """
        catalog = availability.catalog
        if _speaks_messages(request):
            return model_list(
                [
                    (name, model)
                    for name, model in callable_models(catalog, principal)
                    if model.task in MESSAGES.tasks
                ]
            )
        return {"object": "list", "data": list_models(catalog, principal)}

    @get("/{name:str}", summary="One model")
    async def model(
        self,
        principal: NamedDependency[Principal],
        catalog: NamedDependency[Catalog],
        availability: NamedDependency[Availability],
        request: Request[Any, Any, Any],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Return OpenAI's object of a model or variant. Raises ModelNotFound, ModelNotInstalled."""
        variant = principal.variants.get(name)
        model = find_catalog_model(catalog, name if variant is None else variant.base_model_id)
        availability.require_served(model)
        if _speaks_messages(request):
            return model_info(name, model)
        return render_model(catalog, name, principal)

    @delete("/{name:str}", status_code=200, summary="Delete a variant, all its versions")
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        propagation: NamedDependency[Propagation],
        variant_removal: NamedDependency[VariantRemoval],
        request: Request[Any, Any, Any],
        name: FromPath[str],
        training_files: _WithFiles = False,
    ) -> Response[dict[str, Any]]:
        """Delete a fine-tuned variant on all gateways, then unload it from the model servers."""
        actor, account_id = key_actor(principal, request), principal.account_id
        async with database.transaction() as session:
            deleted = await deletion.delete_model(
                session, clock, actor, account_id, name, training_files
            )
            epoch = await read_epoch(session)
        await propagation.wait(epoch)
        answer = {
            "id": name,
            "object": "model",
            "deleted": True,
            "deletion": deletion.render_deletion(deleted.record),
        }
        return Response(answer, background=BackgroundTask(variant_removal.remove, deleted))


def _speaks_messages(request: Request[Any, Any, Any]) -> bool:
    """Return whether the client is one of Anthropic's, which expect models in another shape."""
    return VERSION_HEADER in request.headers
