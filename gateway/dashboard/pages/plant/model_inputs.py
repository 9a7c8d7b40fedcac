"""Mapping of a model's inputs to points: edit it, and preview it with an asset's newest readings.

model and asset -> inputs with stored mapping and newest values -> edited, previewed, saved
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery

from gateway.access.authenticator import Authenticator
from gateway.call.asset_inputs import AssetReadings
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys, load_principal
from gateway.dashboard.pages.plant.asset_predict import (
    PredictionRefused,
    load_signature,
    predicting_models,
)
from gateway.dashboard.pages.plant.common import (
    PLANT_URL,
    PlantPage,
    concepts_to_choose,
    provide_plant,
)
from gateway.identity.roles import Permission
from gateway.plant.alignment.concepts import canonical_concept, concept_of
from gateway.plant.predictions.model_inputs import list_model_inputs, save_model_inputs
from gateway.plant.predictions.points import read_candidates
from gateway.plant.predictions.service import AssetPredictions
from gateway.plant.predictions.values import MappedInput
from gateway.plant.store.queries import find_asset
from gateway.registry.variants import list_live_variants
from infra.errors import AppError
from infra.translations import gettext_noop
from models.catalog import Catalog
from models.signature import Signature

_KIND, _TARGET = "kind.", "to."
_TAG, _CONCEPT = "tag", "concept"
_MAX_SHOWN = 200
_MAX_TARGET = 400
_MAX_FORM_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a page shows: inputs of a model, what they are mapped to, and an asset's readings."""

    signature: Signature | None = None
    mapped: Mapping[str, MappedInput] | None = None
    readings: AssetReadings | None = None
    tags: Sequence[str] = ()


class PlantModelInputPages(Controller):
    """Handlers of `/dashboard/plant/inputs`."""

    path = "/plant/inputs"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:plant-inputs", permission=Permission.PLANT)
    async def show(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        asset_inputs: NamedDependency[AssetPredictions],
        model: FromQuery[str] = "",
        asset: FromQuery[str] = "",
        saved: FromQuery[bool] = False,
    ) -> Response[str]:
        """Show the inputs of a model with their mapping, and the values that an asset has."""
        asked = {"model": model[:_MAX_TARGET], "asset": asset.strip()[:_MAX_TARGET]}
        form, shown = FormState(asked), _Shown()
        if model:
            try:
                shown = await _load(plant, authenticator, asset_inputs, asked, None)
            except AppError as error:
                form = _refused(page, asked, error)
        return await _render(plant, catalog, form, shown, saved=saved)

    @post(
        "/",
        status_code=200,
        permission=Permission.PLANT,
        request_max_body_size=_MAX_FORM_BYTES,
    )
    async def submit(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        asset_inputs: NamedDependency[AssetPredictions],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Preview an edited mapping with the newest readings, or save it."""
        fields = {"model": "", "asset": ""} | await read_form_fields(request)
        shown = _Shown()
        try:
            shown = await _load(plant, authenticator, asset_inputs, fields, None)
            mapped = _merged(shown, _mapping_of(fields))
            if fields.get("step") == "save":
                async with plant.database.transaction() as session:
                    await save_model_inputs(plant.editing(session), fields["model"], mapped)
                query = {"model": fields["model"], "asset": fields["asset"], "saved": "true"}
                return page.redirect(f"{PLANT_URL}/inputs?{urlencode(query)}")
            shown = await _load(plant, authenticator, asset_inputs, fields, mapped)
        except AppError as error:
            form = _refused(page, fields, error)
            return await _render(plant, catalog, form, shown, UNPROCESSABLE)
        return await _render(plant, catalog, FormState(fields), shown, edited=True)


async def _load(
    plant: PlantPage,
    authenticator: Authenticator,
    inputs: AssetPredictions,
    asked: Mapping[str, str],
    mapped: Mapping[str, MappedInput] | None,
) -> _Shown:
    """Return the inputs of a model, and an asset's readings for a mapping or the stored one.

    The newest key stands for the account: a preview is not billed. Raises PageNotFound without a
    key, PredictionRefused, PlantNodeNotFound and those of the model's name.
    """
    page, model = plant.page, asked["model"]
    keys = await list_active_keys(page, plant.database, plant.clock)
    key = key_choices(keys)[-1][0] if keys else ""
    principal = await load_principal(page, plant.database, plant.clock, authenticator, key)
    signature = await load_signature(inputs, principal, model)
    async with plant.database.transaction() as session:
        rows = await list_model_inputs(session, page.account_id, model)
        stored = {row.input: MappedInput(row.concept_id, row.tag) for row in rows}
        tags: Sequence[str] = ()
        if asked["asset"]:
            row = await find_asset(session, page.account_id, asked["asset"])
            _, points = await read_candidates(session, page.account_id, row.id)
            tags = [point.tag for point in points]
    readings = None
    if asked["asset"]:
        found = await inputs.find(principal, asked["asset"])
        readings = await inputs.read(principal, found, model, signature, mapped)
    return _Shown(signature, stored if mapped is None else mapped, readings, tags)


def _mapping_of(fields: Mapping[str, str]) -> dict[str, MappedInput]:
    """Return the mapping of a form. Raises PredictionRefused for a choice without a value."""
    names = {one.name.casefold(): one.id for one in concepts_to_choose()}
    mapped = {}
    for field, kind in fields.items():
        if not field.startswith(_KIND) or kind not in (_TAG, _CONCEPT):
            continue
        name = field.removeprefix(_KIND)
        text = fields.get(_TARGET + name, "").strip()
        if not text or len(text) > _MAX_TARGET:
            message = gettext_noop("Enter a tag or a concept, or choose automatic.")
            raise PredictionRefused(message, param=_TARGET + name)
        if kind == _TAG:
            mapped[name] = MappedInput(tag=text)
        else:
            concept = canonical_concept(concept_of(names.get(text.casefold(), text)))
            mapped[name] = MappedInput(concept_id=concept.id)
    return mapped


def _merged(shown: _Shown, edited: Mapping[str, MappedInput]) -> dict[str, MappedInput]:
    """Return an edited mapping with that of inputs that the page does not show.

    Inputs that the model does not have are left out.
    """
    fields = () if shown.signature is None else shown.signature.inputs
    names = [field.name for field in fields]
    hidden = {name: one for name, one in (shown.mapped or {}).items() if name in names[_MAX_SHOWN:]}
    return hidden | {name: edited[name] for name in names[:_MAX_SHOWN] if name in edited}


def _refused(page: PageRequest, fields: Mapping[str, str], error: AppError) -> FormState:
    """Return a form with its errors. Raises errors of the server, and of keys."""
    if error.status >= 500:
        raise error
    return with_errors(page, fields, error)


async def _render(
    plant: PlantPage,
    catalog: Catalog,
    form: FormState = EMPTY_FORM,
    shown: _Shown = _Shown(),
    status: int = 200,
    *,
    saved: bool = False,
    edited: bool = False,
) -> Response[str]:
    """Render the choice of model and asset, and the inputs with mapping and values."""
    page = plant.page
    async with plant.database.transaction() as session:
        variants = await list_live_variants(session, page.account_id)
    fields = () if shown.signature is None else shown.signature.inputs
    concept_names = {one.id: one.name for one in concepts_to_choose()}
    readings = shown.readings
    return page.render(
        "plant/model_inputs.html",
        status=status,
        form=form,
        models=[(name, name) for name in predicting_models(catalog, variants)],
        keys=await list_active_keys(page, plant.database, plant.clock),
        fields=fields[:_MAX_SHOWN],
        hidden=len(fields[_MAX_SHOWN:]),
        targets={
            name: (_TAG, one.tag)
            if one.tag
            else (_CONCEPT, concept_names.get(one.concept_id, one.concept_id))
            for name, one in (shown.mapped or {}).items()
        },
        tags=shown.tags,
        concepts=list(concept_names.values()),
        readings=readings,
        found={} if readings is None else {one["name"]: one for one in readings.inputs},
        missing={} if readings is None else {one["name"]: one for one in readings.missing},
        saved=saved,
        edited=edited,
    )
