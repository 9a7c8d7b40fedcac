"""The playground: call a model from a form, with a cost estimate and code samples.

A call runs through the gateway's pipeline with one of the account's keys, so that it is admitted,
limited, metered and billed like any other, and is tagged `source=playground`. The secret is not
needed: the session authenticates the person, and the key's id selects its limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.types import ASGIApp

from billing.money import nano_from_text
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.authenticator import Authenticator
from gateway.asgi.exchange import ClientExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import Call, ResolvedModel, SignedInCaller
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest, client_origin
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys
from gateway.dashboard.pages.playground.code import code_samples
from gateway.dashboard.pages.playground.form import (
    INPUT_PREFIX,
    PlaygroundInputInvalid,
    PlaygroundRequest,
    chat_request,
    is_chat,
    prediction_request,
)
from gateway.dashboard.pages.playground.stream import stream_response
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.inference.pipeline import Pipeline
from gateway.inference.quotes import Quotes
from gateway.retrieval.vector_stores import PREFIX as STORE_PREFIX
from gateway.retrieval.vector_stores import list_stores
from gateway.upstream.availability import Availability
from gateway.upstream.declared_inputs import DeclaredInput, fetch_declared_inputs
from gateway.upstream.model_metadata import ModelMetadata
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.translations import gettext_noop
from models.catalog import SPECIALIST_TASKS, Catalog, Model, Task

_TAGS = {TAGS_HEADER: b"source=playground"}
_MAX_STORES = 100
# Forms have no image upload.
_SUPPORTED_TASKS = {Task.TEXT_GENERATION, *SPECIALIST_TASKS} - {Task.IMAGE_CLASSIFICATION}


@dataclass(frozen=True, slots=True)
class _PreparedCall:
    """A validated playground call, and the key it is made with."""

    request: PlaygroundRequest
    caller: SignedInCaller


class PlaygroundPages(Controller):
    """Handlers of `/dashboard/playground`."""

    path = "/playground"

    @get("/", name="dashboard:playground", permission=Permission.CALL)
    async def show_playground(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        availability: NamedDependency[Availability],
        model_metadata: NamedDependency[ModelMetadata],
        model: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the playground."""
        models = _playground_models(availability.catalog)
        chosen = next((one for one in models if one.id == model), models[0])
        inputs, unavailable = await _declared_inputs(model_metadata, chosen, page.account_id)
        keys = await list_active_keys(page, database, clock)
        return page.render(
            "playground.html",
            models=models,
            chosen=chosen,
            chat=is_chat(chosen),
            inputs=inputs,
            silent=unavailable,
            keys=keys,
            keys_shown=key_choices(keys),
            stores_shown=await _vector_stores(database, page.account_id) if is_chat(chosen) else [],
            pairs=lambda values: [(one, one or "–") for one in values],
            input=INPUT_PREFIX,
            form=EMPTY_FORM,
            quote=None,
            code={},
        )

    @post("/quote", status_code=200, permission=Permission.CALL)
    async def quote_call(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        availability: NamedDependency[Availability],
        model_metadata: NamedDependency[ModelMetadata],
        authenticator: NamedDependency[Authenticator],
        quotes: NamedDependency[Quotes],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """Return the maximum cost of the call in the form, and its code."""
        template = "parts/playground_quote.html"
        try:
            prepared = await _prepare_call(
                page, database, clock, availability.catalog, model_metadata, request
            )
            key_record = await authenticator.identify_key(prepared.caller, clock.now())
            principal = authenticator.require_active(key_record, client_origin(request).address)
            quote = await quotes.create(principal, prepared.request.content, _TAGS)
        except PageNotFound:
            raise
        except AppError as error:
            if error.status >= 500:
                raise
            form = _form_with_error(page, error)
            return page.render(template, status=UNPROCESSABLE, form=form, quote=None, code={})
        base = str(request.base_url).rstrip("/")
        costs = {name: nano_from_text(quote[name]) for name in ("min_cost", "max_cost")}
        return page.render(
            template,
            form=EMPTY_FORM,
            quote=quote,
            costs=costs,
            code=code_samples(prepared.request, base),
        )

    @post("/call", status_code=200, permission=Permission.CALL)
    async def run_call(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        availability: NamedDependency[Availability],
        model_metadata: NamedDependency[ModelMetadata],
        pipeline: NamedDependency[Pipeline],
        request: Request[Any, Any, Any],
    ) -> ASGIApp:
        """Run the call in the form; the response is the API's own, streamed."""
        prepared = await _prepare_call(
            page, database, clock, availability.catalog, model_metadata, request
        )
        call = Call(
            request_id=ids.new_id(),
            operation=prepared.request.endpoint.operation,
            path=prepared.request.endpoint.path,
            credentials=None,
            headers=_TAGS,
            model_in_path=None,
            started_at=clock.now(),
            started_monotonic=clock.monotonic(),
            signed_in_caller=prepared.caller,
            client_address=client_origin(request).address,
        )
        actor = page.actor
        details = {
            "model": prepared.request.body["model"],
            "key": ids.format_id(KEY_PREFIX, prepared.caller.key_id),
        }
        async with database.transaction() as session:
            name = ids.format_id("req", call.request_id)
            await record_audit_event(
                session, clock, actor, page.account_id, "playground.called", name, details
            )

        async def serve(client: ClientExchange) -> None:
            """Serve the prepared call to the browser."""
            await pipeline.serve(call, client)

        return stream_response(prepared.request.content, serve, TimeoutWheel())


def _form_with_error(page: PageRequest, error: AppError) -> FormState:
    """Return an empty form with the error's message, after the name of the input it concerns."""
    form, param = with_errors(page, {}, error), error.param or ""
    return (
        FormState(error=f"{param.removeprefix(INPUT_PREFIX)}: {form.error}")
        if INPUT_PREFIX in param
        else form
    )


async def _prepare_call(
    page: PageRequest,
    database: Database,
    clock: Clock,
    catalog: Catalog,
    model_metadata: ModelMetadata,
    request: Request[Any, Any, Any],
) -> _PreparedCall:
    """Parse the form to a call with one of the account's keys.

    Raises PageNotFound for another account's key or an unknown model, and PlaygroundInputInvalid.
    """
    fields, account_id = await read_form_fields(request), page.account_id
    key_id = ids.parse_id(KEY_PREFIX, fields.get("key", ""))
    if key_id not in {key.id for key in await list_active_keys(page, database, clock)}:
        raise PageNotFound("The account has no such key.")
    model = next(
        (
            candidate
            for candidate in _playground_models(catalog)
            if candidate.id == fields.get("model")
        ),
        None,
    )
    if model is None or key_id is None:
        raise PageNotFound("Model not found.")
    if is_chat(model):
        turns = [str(candidate) for candidate in (await request.form()).getall("turn", [])]
        return _PreparedCall(chat_request(model, fields, turns), SignedInCaller(account_id, key_id))
    inputs, unavailable = await _declared_inputs(model_metadata, model, account_id)
    if unavailable:
        raise PlaygroundInputInvalid(
            gettext_noop("The model is not responding. Try again in a moment.")
        )
    return _PreparedCall(
        prediction_request(model, inputs, fields), SignedInCaller(account_id, key_id)
    )


async def _declared_inputs(
    model_metadata: ModelMetadata, model: Model, account_id: UUID
) -> tuple[Sequence[DeclaredInput], bool]:
    """Fetch a specialist model's declared inputs, and whether the model is unavailable."""
    if is_chat(model):
        return (), False
    resolved = ResolvedModel(model, model.id, model.id)
    inputs = await fetch_declared_inputs(model_metadata, resolved, account_id)
    return inputs or (), inputs is None


def _playground_models(catalog: Catalog) -> list[Model]:
    """Return the models that a form can call, chat models first."""
    models = [model for model in catalog.models.values() if model.task in _SUPPORTED_TASKS]
    return sorted(models, key=lambda model: (not is_chat(model), model.id))


async def _vector_stores(database: Database, account_id: UUID) -> list[tuple[str, str]]:
    """Return the ids and names of the account's vector stores, the newest first."""
    async with database.transaction() as session:
        stores = await list_stores(session, account_id, _MAX_STORES, False, None)
    named = ((ids.format_id(STORE_PREFIX, store.id), store.name) for store in stores)
    return [(store_id, name or store_id) for store_id, name in named]
