"""The mapping queue: proposed concepts of points, to be confirmed or corrected.

unmapped points -> alignment (one billed call) -> proposals -> confirmations -> history
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery

from gateway.access.authenticator import Authenticator
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import SignedInCaller
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys, load_principal
from gateway.dashboard.pages.own_models.tag_list import TagsNotAligned, read_answer
from gateway.dashboard.pages.plant.common import (
    PLANT_URL,
    PlantPage,
    concepts_to_choose,
    provide_plant,
)
from gateway.identity.roles import Permission
from gateway.inference.endpoints.plant_tags import TAG_ALIGNMENT
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.plant.assets.errors import PlantModelInvalid
from gateway.plant.assets.values import Concept
from gateway.plant.store.mappings import (
    Confirmation,
    Proposal,
    confirm_mappings,
    list_queue,
    list_unmapped,
    propose_mappings,
)
from gateway.plant.store.node_names import load_names
from gateway.registry.variants import list_live_variants
from gateway.tables.plant import PlantPoint
from infra import ids
from infra.errors import AppError
from models.catalog import Catalog, Task

_SHOWN = 50
_PROPOSED_AT_ONCE = 512
_SCHEME, _OWN = "brick", "own"
_TAGS = {TAGS_HEADER: b"source=plant"}
_MAX_FORM_BYTES = 1 << 20
_ORDERS = ("uncertain", "certain")


class PlantMappingPages(Controller):
    """Handlers of `/dashboard/plant/mappings`."""

    path = "/plant/mappings"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:plant-mappings", permission=Permission.PLANT)
    async def show_queue(
        self,
        plant: NamedDependency[PlantPage],
        catalog: NamedDependency[Catalog],
        order: FromQuery[str] = "uncertain",
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
        """Confirm the marked points with the concepts that were entered."""
        fields = await read_form_fields(request)
        order = fields.get("order", "")
        try:
            async with plant.database.transaction() as session:
                changed = await confirm_mappings(plant.editing(session), _confirmations(fields))
        except PlantModelInvalid as error:
            form = with_errors(page, {}, error)
            return await _render(plant, catalog, form, order, {}, UNPROCESSABLE)
        address = f"{PLANT_URL}/mappings?order={_known_order(order)}&confirmed={changed}"
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
        """Ask the chosen model for the concepts of unmapped points, and store its proposals."""
        page.require_any_permission(Permission.CALL)
        fields = await read_form_fields(request)
        client = PipelineClient(pipeline, plant.clock)
        try:
            count = await _propose(plant, authenticator, client, fields)
        except AppError as error:
            if error.status >= 500 or error.status == 404:
                raise
            values = {name: fields.get(name, "") for name in ("model", "key")}
            form = with_errors(page, values, error)
            return await _render(plant, catalog, form, "", {}, UNPROCESSABLE)
        return page.redirect(f"{PLANT_URL}/mappings?proposed={count}")


def _confirmations(fields: Mapping[str, str]) -> list[Confirmation]:
    """Return the marked points of a form; a concept that is unknown is the account's own."""
    names = {one.name.casefold(): one.id for one in concepts_to_choose()}
    known = set(names.values())
    confirmations = []
    for name in fields:
        kind, _, point = name.partition(".")
        text = fields.get(f"concept.{point}", "").strip()
        if kind != "mark" or not text:
            continue
        concept_id = names.get(text.casefold(), text)
        is_proposed = concept_id == fields.get(f"proposed.{point}")
        scheme = fields.get(f"scheme.{point}", _OWN) if is_proposed else _OWN
        if concept_id in known:
            scheme = _SCHEME
        confirmations.append(Confirmation(point, Concept(scheme, concept_id)))
    return confirmations


async def _propose(
    plant: PlantPage,
    authenticator: Authenticator,
    client: PipelineClient,
    fields: Mapping[str, str],
) -> int:
    """Store a model's proposals for the oldest unmapped points; return how many.

    Raises the errors of the call.
    """
    page, model = plant.page, fields.get("model", "")
    async with plant.database.transaction() as session:
        points = await list_unmapped(session, page.account_id, _PROPOSED_AT_ONCE)
    if not points:
        return 0
    principal = await load_principal(
        page, plant.database, plant.clock, authenticator, fields.get("key", "")
    )
    caller = SignedInCaller(principal.account_id, principal.key_id)
    body = msgspec.json.encode({"model": model, "tags": [one.tag for one in points]})
    response = await client.post(TAG_ALIGNMENT, caller, _TAGS, body)
    entries = read_answer(response.status, response.body)
    proposals = _proposals(points, entries)
    async with plant.database.transaction() as session:
        return await propose_mappings(plant.editing(session), proposals, model)


def _proposals(points: list[PlantPoint], entries: list[dict[str, Any]]) -> list[Proposal]:
    """Return the proposals of a call's entries, which are in the order of the points."""
    if len(points) != len(entries):
        raise TagsNotAligned("The model's answer does not fit the request.")
    known = {one.id for one in concepts_to_choose()}
    return [
        Proposal(
            point.id,
            Concept(_SCHEME if entry["concept"] in known else _OWN, entry["concept"]),
            min(1.0, max(0.0, entry["score"])),
        )
        for point, entry in zip(points, entries, strict=True)
        if entry["concept"]
    ]


def _known_order(order: str) -> str:
    """Return an order of the queue; the first one for an unknown text."""
    return order if order in _ORDERS else _ORDERS[0]


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
    order = _known_order(order)
    async with plant.database.transaction() as session:
        counts = await plant.counts.of_account(session, account_id)
        certain_first = order == "certain"
        points = await list_queue(session, account_id, _SHOWN, certain_first=certain_first)
        names = await load_names(session, account_id, [one.asset_id for one in points])
        variants = await list_live_variants(session, account_id)
    bases = [model.id for model in catalog.with_task(Task.ALIGNMENT)]
    own = sorted(name for name, one in variants.items() if one.base_model_id in bases)
    concept_names = {one.id: one.name for one in concepts_to_choose()}
    return page.render(
        "plant/mappings.html",
        status=status,
        form=form,
        order=order,
        points=[(one, ids.format_id("pt", one.id)) for one in points],
        names=names,
        concept_names=concept_names,
        counts=counts[None],
        keys=key_choices(keys),
        models=[(name, name) for name in (*own, *bases)],
        most=_PROPOSED_AT_ONCE,
        done=done,
    )
