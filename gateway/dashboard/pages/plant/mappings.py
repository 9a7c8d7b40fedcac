"""The mapping queue: proposed concepts, units and assets of points, to be confirmed or corrected.

open points -> alignment (one billed call) -> proposals -> confirmations -> history
"""

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery

from gateway.access.authenticator import Authenticator
from gateway.alignment.batches import AlignmentCallFailed, AlignmentCalls
from gateway.alignment.settings import AlignmentNotFound, find_alignment
from gateway.alignment.single_batch import MAX_POINTS, propose_batch
from gateway.alignment.views import proposed_assets
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys, load_principal
from gateway.dashboard.pages.plant.common import (
    PLANT_URL,
    PlantPage,
    concepts_to_choose,
    provide_plant,
    version_name,
)
from gateway.identity.roles import Permission
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.plant.alignment.concepts import OWN, concept_of
from gateway.plant.assets.errors import PlantModelInvalid, PlantNodeNotFound, PlantNodeRetired
from gateway.plant.assets.values import Concept
from gateway.plant.store.mappings import Confirmation, confirm_mappings, count_mappings
from gateway.plant.store.node_names import load_names
from gateway.plant.store.proposals import QueueOrder, list_queue
from gateway.registry.variants import list_live_variants
from infra import ids
from infra.errors import AppError
from models.catalog import Catalog, Task

_SHOWN = 50
_MAX_FORM_BYTES = 1 << 20


class PlantMappingPages(Controller):
    """Handlers of `/dashboard/plant/mappings`."""

    path = "/plant/mappings"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:plant-mappings", permission=Permission.PLANT)
    async def show_queue(
        self,
        plant: NamedDependency[PlantPage],
        catalog: NamedDependency[Catalog],
        order: FromQuery[str] = QueueOrder.INFORMATIVE.value,
        confirmed: FromQuery[int] = 0,
        proposed: FromQuery[int | None] = None,
    ) -> Response[str]:
        """Show the points whose proposals are to be confirmed next."""
        done = {"confirmed": confirmed, "proposed": proposed}
        return await _render(plant, catalog, EMPTY_FORM, order, done)

    @post("/", permission=Permission.PLANT, request_max_body_size=_MAX_FORM_BYTES)
    async def confirm(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Confirm the marked points with the values that were entered."""
        fields = await read_form_fields(request)
        order = fields.get("order", "")
        try:
            async with plant.database.transaction() as session:
                changed = await confirm_mappings(plant.editing(session), _confirmations(fields))
        except (PlantModelInvalid, PlantNodeNotFound, PlantNodeRetired) as error:
            form = with_errors(page, {}, error)
            return await _render(plant, catalog, form, order, {}, UNPROCESSABLE)
        address = f"{PLANT_URL}/mappings?order={_known_order(order).value}&confirmed={changed}"
        return page.redirect(address)

    @post("/propose", permission=Permission.PLANT)
    async def propose(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        pipeline: NamedDependency[Pipeline],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Ask the chosen model about open points, and store its proposals."""
        page.require_any_permission(Permission.CALL)
        fields = await read_form_fields(request)
        calls = AlignmentCalls(PipelineClient(pipeline, plant.clock), plant.database)
        try:
            principal = await load_principal(
                page, plant.database, plant.clock, authenticator, fields.get("key", "")
            )
            count = await propose_batch(
                plant.database, calls, principal, plant.editing, fields.get("model", "")
            )
        except AppError as error:
            if error.status >= 500 or (error.status == 404 and not _is_of_call(error)):
                raise
            values = {name: fields.get(name, "") for name in ("model", "key")}
            form = with_errors(page, values, error)
            return await _render(plant, catalog, form, "", {}, UNPROCESSABLE)
        return page.redirect(f"{PLANT_URL}/mappings?proposed={count}")


def _is_of_call(error: AppError) -> bool:
    """Whether a call for proposals was refused, such as for an unknown model."""
    return isinstance(error, AlignmentCallFailed)


def _confirmations(fields: Mapping[str, str]) -> list[Confirmation]:
    """Return the marked points of a form; a concept that is unknown is the account's own."""
    names = {one.name.casefold(): one.id for one in concepts_to_choose()}
    confirmations = []
    for name in fields:
        kind, _, point = name.partition(".")
        text = fields.get(f"concept.{point}", "").strip()
        if kind != "mark" or not text:
            continue
        concept = concept_of(names.get(text.casefold(), text))
        is_proposed = concept.id == fields.get(f"proposed.{point}")
        if concept.scheme == OWN and is_proposed:
            concept = Concept(fields.get(f"scheme.{point}", OWN), concept.id)
        unit, asset = (fields.get(f"{one}.{point}", "").strip() for one in ("unit", "asset"))
        confirmations.append(Confirmation(point, concept, unit or None, asset or None))
    return confirmations


def _known_order(order: str) -> QueueOrder:
    """Return an order of the queue; the first one for an unknown text."""
    known = {one.value for one in QueueOrder}
    return QueueOrder(order) if order in known else QueueOrder.INFORMATIVE


async def _render(
    plant: PlantPage,
    catalog: Catalog,
    form: FormState,
    order: str,
    done: Mapping[str, int | None],
    status: int = 200,
) -> Response[str]:
    """Render the queue, and the form that asks for proposals."""
    page, account_id = plant.page, plant.page.account_id
    keys = await list_active_keys(page, plant.database, plant.clock)
    known = _known_order(order)
    async with plant.database.transaction() as session:
        counts = await count_mappings(session, account_id)
        queue = await list_queue(session, account_id, _SHOWN, known)
        assets = [*(one.point.asset_id for one in queue), *proposed_assets(queue)]
        names = await load_names(session, account_id, assets)
        variants = await list_live_variants(session, account_id)
        try:
            alignment = await find_alignment(session, account_id)
        except AlignmentNotFound:
            alignment = None
    bases = [model.id for model in catalog.with_task(Task.ALIGNMENT)]
    own = sorted(name for name, one in variants.items() if one.base_model_id in bases)
    concept_names = {one.id: one.name for one in concepts_to_choose()}
    return page.render(
        "plant/mappings.html",
        status=status,
        form=form,
        order=known.value,
        queue=[(ids.format_id("pt", one.point.id), one.point, one.proposal) for one in queue],
        names=names,
        concept_names=concept_names,
        counts=counts,
        keys=key_choices(keys),
        models=[(name, name) for name in (*own, *bases)],
        most=MAX_POINTS,
        done=done,
        alignment=alignment,
        version_name=version_name,
    )
