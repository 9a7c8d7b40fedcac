"""Predict for an asset: choose a specialist, see its price, then the result with its inputs.

form -> price of one row -> one billed call with the asset -> verdict on the asset
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from billing.money import nano_from_text
from gateway.access.authenticator import Authenticator
from gateway.call.errors import UpstreamUnreachable
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import AccountVariant, Principal, SignedInCaller
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys, load_principal
from gateway.dashboard.pages.plant.asset_common import load_head
from gateway.dashboard.pages.plant.common import PlantPage, provide_plant
from gateway.dashboard.verdict_view import finding_text, outputs_text
from gateway.identity.roles import Permission
from gateway.inference.asset_inputs import AssetInputs
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.inference.quotes import Quotes
from gateway.plant.assets.ids import ASSET
from gateway.plant.predictions.service import AssetPredictions
from gateway.plant.predictions.verdicts import list_verdicts
from gateway.registry.variants import list_live_variants
from infra import ids
from infra.errors import AppError
from infra.translations import gettext_noop
from models.catalog import SPECIALIST_TASKS, Catalog, Task
from models.signature import BYTES, Signature

_TAGS = {TAGS_HEADER: b"source=plant"}
_VALUE = "value."
_MAX_FIELDS = 40


class PredictionRefused(AppError):
    """The call was refused or failed; text and code are the call's."""

    status = 422
    type = "invalid_request_error"
    code = "asset_prediction_refused"


class AssetPredictPages(Controller):
    """Handlers of `/dashboard/plant/assets/…/predict`."""

    path = "/plant/assets/{asset:str}/predict"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:asset-predict", permission=Permission.CALL)
    async def show_form(
        self,
        plant: NamedDependency[PlantPage],
        catalog: NamedDependency[Catalog],
        asset: FromPath[str],
        model: FromQuery[str] = "",
    ) -> Response[str]:
        """Show the form to choose a model."""
        return await _render(plant, catalog, asset, FormState({"model": model}))

    @post("/", status_code=200, permission=Permission.CALL)
    async def submit(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        asset_inputs: NamedDependency[AssetPredictions],
        quotes: NamedDependency[Quotes],
        pipeline: NamedDependency[Pipeline],
        request: Request[Any, Any, Any],
        asset: FromPath[str],
    ) -> Response[str]:
        """Show the price and the inputs of a model, or call it once these were shown."""
        fields = await read_form_fields(request)
        shown: dict[str, Any] = {}
        try:
            principal = await load_principal(
                page, plant.database, plant.clock, authenticator, fields.get("key", "")
            )
            signature = await load_signature(asset_inputs, principal, fields.get("model", ""))
            quote = await quotes.create(principal, _body(asset, fields, {}), _TAGS)
            shown["price_nano"] = nano_from_text(quote["max_cost"])
            found = await asset_inputs.find(principal, asset)
            model = fields.get("model", "")
            shown["read"] = await asset_inputs.read(principal, found, model, signature)
            shown["fields"] = _open_fields(signature, shown["read"].readings)
            body = _body(asset, fields, _entered(signature, fields))
            if fields.get("step") == "predict":
                client = PipelineClient(pipeline, plant.clock)
                shown = {"answer": await _predict(plant, client, principal, body)}
        except PageNotFound:
            raise
        except AppError as error:
            if error.status >= 500:
                raise
            form = with_errors(page, fields, error)
            return await _render(plant, catalog, asset, form, UNPROCESSABLE, **shown)
        return await _render(plant, catalog, asset, FormState(fields), **shown)


async def load_signature(inputs: AssetInputs, principal: Principal, model: str) -> Signature:
    """Return the inputs of a model. Raises the errors of its name, and PredictionRefused."""
    try:
        return await inputs.signature(principal, model)
    except UpstreamUnreachable:
        message = gettext_noop("The model is not responding. Try again in a moment.")
        raise PredictionRefused(message, param="model") from None


def predicting_models(catalog: Catalog, variants: Mapping[str, AccountVariant]) -> list[str]:
    """Return the models that predict from columns: the account's own ones, then ready-made ones."""
    own = sorted(
        name
        for name, one in variants.items()
        if (base := catalog.find(one.base_model_id)) is not None and base.task in SPECIALIST_TASKS
    )
    ready = sorted(
        model.id
        for model in catalog.models.values()
        if model.task in SPECIALIST_TASKS
        and model.task is not Task.IMAGE_CLASSIFICATION
        and not model.weights.needs_fitting
    )
    return [*own, *ready]


def _entered(signature: Signature, fields: Mapping[str, str]) -> dict[str, float | str]:
    """Return the values that were entered. Raises PredictionRefused for a wrong number."""
    values: dict[str, float | str] = {}
    for field in signature.inputs:
        text = fields.get(f"{_VALUE}{field.name}", "").strip()
        if not text:
            continue
        try:
            is_text = field.datatype == BYTES
            values[field.name] = text if is_text else float(text.replace(",", "."))
        except ValueError:
            message = gettext_noop("Enter a number.")
            raise PredictionRefused(message, param=f"{_VALUE}{field.name}") from None
    return values


def _body(asset: str, fields: Mapping[str, str], values: Mapping[str, float | str]) -> bytes:
    """Return the body of the call, with the values that were entered."""
    options = {"values": values}
    body = {"model": fields.get("model", ""), "asset": asset, "asset_options": options}
    return msgspec.json.encode(body)


async def _predict(
    plant: PlantPage,
    client: PipelineClient,
    principal: Principal,
    body: bytes,
) -> Mapping[str, Any]:
    """Call the model and return what the page shows of its answer. Raises PredictionRefused."""
    caller = SignedInCaller(principal.account_id, principal.key_id)
    response = await client.post(PREDICTIONS, caller, _TAGS, body)
    answer = msgspec.json.decode(response.body)
    if response.status != 200:
        refused = PredictionRefused(answer["error"]["message"])
        refused.code = answer["error"]["code"] or refused.code
        raise refused
    asset_id = ids.parse_id(ASSET, answer["asset"]["id"])
    language = plant.page.language
    finding: Mapping[str, Any] = {}
    if asset_id is not None:
        async with plant.database.transaction() as session:
            newest = await list_verdicts(session, principal.account_id, asset_id, 1, None)
        if newest and ids.format_id("req", newest[0].request_id) == answer["id"]:
            finding = newest[0].finding
    return {
        "verdict": finding.get("verdict", ""),
        "text": finding_text(finding, language) or outputs_text(answer["predictions"][0], language),
        "outputs": answer["predictions"][0],
        "inputs": answer["asset"]["inputs"],
        "request_id": answer["id"],
        "cost_nano": nano_from_text(response.headers.get("x-maas-cost", "0")),
    }


def _open_fields(signature: Signature, read: Mapping[str, Any]) -> list[Any]:
    """Return the inputs of one value that no point gave: they can be entered."""
    return [
        field
        for field in signature.inputs
        if field.name not in read and (field.length is None or field.length[1] == 1)
    ][:_MAX_FIELDS]


async def _render(
    plant: PlantPage,
    catalog: Catalog,
    asset: str,
    form: FormState,
    status: int = 200,
    **shown: Any,
) -> Response[str]:
    """Render the form, with price and inputs, or with the answer."""
    page = plant.page
    keys = await list_active_keys(page, plant.database, plant.clock)
    async with plant.database.transaction() as session:
        head = await load_head(plant, session, asset)
        variants = await list_live_variants(session, page.account_id)
    return page.render(
        "plant/asset_predict.html",
        status=status,
        **head.context(plant),
        form=form,
        models=[(name, name) for name in predicting_models(catalog, variants)],
        keys=key_choices(keys),
        price_nano=shown.get("price_nano"),
        read=shown.get("read"),
        fields=shown.get("fields", []),
        answer=shown.get("answer"),
    )
