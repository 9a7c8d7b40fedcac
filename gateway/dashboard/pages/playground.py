"""The playground: ask a model, see what it costs before, and take the code over.

A call goes through the gateway's own pipeline with a key that the person chooses, so it is
admitted, limited, metered and billed as any other, and tagged `source=playground`. No secret is
needed for it: the session says who asks, and the key's id which limits hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.types import ASGIApp

from billing.money import nano_from_text
from billing.tables import ApiKey
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.access.authenticator import Authenticator
from gateway.asgi.exchange import Client
from gateway.asgi.timeouts import Deadlines
from gateway.call.tags import HEADER
from gateway.call.values import Call, OnBehalf, Served
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import EMPTY, Filled, fields_of, mistaken
from gateway.dashboard.labels import marked
from gateway.dashboard.page_request import INVALID, Viewing, place_of
from gateway.dashboard.pages.playground_code import code_of
from gateway.dashboard.pages.playground_form import (
    INPUT,
    Declared,
    Wish,
    WishInvalid,
    chat_wish,
    is_chat,
    specialist_wish,
)
from gateway.dashboard.pages.playground_stream import answering
from gateway.identity.audit_log import Actor, record
from gateway.identity.roles import Permission
from gateway.inference.pipeline import Pipeline
from gateway.inference.quotes import Quoting
from gateway.upstream.availability import Availability
from gateway.upstream.model_metadata import Describing
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from models.catalog import SPECIALIST_TASKS, Catalog, Model, Task

_TAGS = {HEADER: b"source=playground"}
# A picture is no field of a form.
_TASKS = {Task.TEXT_GENERATION, *SPECIALIST_TASKS} - {Task.IMAGE_CLASSIFICATION}


class _Signature(msgspec.Struct, frozen=True):
    inputs: tuple[Declared, ...] = ()


class _Parameters(msgspec.Struct, frozen=True):
    signature: _Signature = _Signature()


class _Described(msgspec.Struct, frozen=True):
    """What a specialist says of itself, as far as its form needs it."""

    parameters: _Parameters = _Parameters()


_DESCRIBED = msgspec.json.Decoder(_Described)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a form asks for, and by which key."""

    wish: Wish
    by: OnBehalf


class PlaygroundPages(Controller):
    """`/dashboard/playground…`."""

    path = "/playground"

    @get("/", name="dashboard:playground", permission=Permission.CALL)
    async def playground(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        availability: NamedDependency[Availability],
        describing: NamedDependency[Describing],
        model: FromQuery[str | None] = None,
    ) -> Response[str]:
        models = _models(availability.catalog)
        chosen = next((one for one in models if one.id == model), models[0])
        inputs, silent = await _declared(describing, chosen, viewing.account_id)
        keys = await _keys(database, clock, viewing.account_id)
        return viewing.page(
            "playground.html",
            models=models,
            chosen=chosen,
            chat=is_chat(chosen),
            inputs=inputs,
            silent=silent,
            keys=keys,
            keys_shown=[(ids.show(KEY_PREFIX, key.id), key.name) for key in keys],
            pairs=lambda values: [(one, one or "–") for one in values],
            input=INPUT,
            form=EMPTY,
            quote=None,
            code={},
        )

    @post("/quote", status_code=200, permission=Permission.CALL)
    async def quote(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        availability: NamedDependency[Availability],
        describing: NamedDependency[Describing],
        authenticator: NamedDependency[Authenticator],
        quoting: NamedDependency[Quoting],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """What the call would cost, and its code, as its form is now."""
        part = "parts/playground_quote.html"
        try:
            asked = await _asked(
                viewing, database, clock, availability.catalog, describing, request
            )
            known = await authenticator.identify_key(asked.by, clock.now())
            principal = authenticator.require_active(known, place_of(request).address)
            quote = await quoting.quote(principal, asked.wish.content, _TAGS)
        except PageNotFound:
            raise
        except AppError as error:
            if error.status >= 500:
                raise
            form = _told(viewing, error)
            return viewing.page(part, status=INVALID, form=form, quote=None, code={})
        base = str(request.base_url).rstrip("/")
        costs = {name: nano_from_text(quote[name]) for name in ("min_cost", "max_cost")}
        return viewing.page(
            part, form=EMPTY, quote=quote, costs=costs, code=code_of(asked.wish, base)
        )

    @post("/call", status_code=200, permission=Permission.CALL)
    async def call(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        availability: NamedDependency[Availability],
        describing: NamedDependency[Describing],
        pipeline: NamedDependency[Pipeline],
        request: Request[Any, Any, Any],
    ) -> ASGIApp:
        """The call itself; its answer is the API's own, as it comes."""
        asked = await _asked(viewing, database, clock, availability.catalog, describing, request)
        call = Call(
            request_id=ids.new_id(),
            operation=asked.wish.operation,
            path=asked.wish.path,
            credentials=None,
            headers=_TAGS,
            model_in_path=None,
            started_at=clock.now(),
            started=clock.monotonic(),
            on_behalf=asked.by,
            address=place_of(request).address,
        )
        by = Actor.of(viewing.viewer, place_of(request).address)
        what = {"model": asked.wish.body["model"], "key": ids.show(KEY_PREFIX, asked.by.key_id)}
        async with database.transaction() as session:
            name = ids.show("req", call.request_id)
            place = clock, by, viewing.account_id, "playground.called", name, what
            await record(session, *place)

        async def serve(client: Client) -> None:
            await pipeline.serve(call, client)

        return answering(asked.wish.content, serve, Deadlines())


def _told(viewing: Viewing, error: AppError) -> Filled:
    """What is the matter, and with which input."""
    form, of = mistaken(viewing, {}, error), error.param or ""
    return Filled(error=f"{of.removeprefix(INPUT)}: {form.error}") if INPUT in of else form


async def _asked(
    viewing: Viewing,
    database: Database,
    clock: Clock,
    catalog: Catalog,
    describing: Describing,
    request: Request[Any, Any, Any],
) -> _Asked:
    """Raises PageNotFound for what is none of the account's, WishInvalid."""
    fields, account_id = await fields_of(request), viewing.account_id
    key_id = ids.parse(KEY_PREFIX, fields.get("key", ""))
    if key_id not in {key.id for key in await _keys(database, clock, account_id)}:
        raise PageNotFound("The account has no such key.")
    model = next((one for one in _models(catalog) if one.id == fields.get("model")), None)
    if model is None or key_id is None:
        raise PageNotFound("There is no such model.")
    if is_chat(model):
        turns = [str(one) for one in (await request.form()).getall("turn", [])]
        return _Asked(chat_wish(model, fields, turns), OnBehalf(account_id, key_id))
    inputs, silent = await _declared(describing, model, account_id)
    if silent:
        raise WishInvalid(marked("The model does not answer just now. Try again in a moment."))
    return _Asked(specialist_wish(model, inputs, fields), OnBehalf(account_id, key_id))


async def _declared(
    describing: Describing, model: Model, account_id: UUID
) -> tuple[Sequence[Declared], bool]:
    """The inputs that a specialist declares, and whether it could not be asked."""
    if is_chat(model):
        return (), False
    try:
        status, body = await describing.ask(Served(model, model.id, model.id), account_id, "")
        return _DESCRIBED.decode(body).parameters.signature.inputs, status != 200
    except (AppError, msgspec.DecodeError, UnicodeDecodeError):
        return (), True


def _models(catalog: Catalog) -> list[Model]:
    """Those that a form can ask, chats first."""
    found = [one for one in catalog.models.values() if one.task in _TASKS]
    return sorted(found, key=lambda one: (not is_chat(one), one.id))


async def _keys(database: Database, clock: Clock, account_id: UUID) -> list[ApiKey]:
    """Those that can call now."""
    async with database.transaction() as session:
        found = await list_keys(session, account_id)
    now = clock.now()
    return [
        key
        for key in found
        if key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
    ]
