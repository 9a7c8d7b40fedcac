"""Parsing: from a body to what is asked of which model.

Owns which shape belongs to which operation, and finding the model among those that are sold, or
having it chosen.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from billing.metering.usage import REQUEST_PREFIX
from gateway.call.errors import EndpointUnsupported, ModelNotFound, WrongEndpoint
from gateway.call.tags import VARIANT, tags_of
from gateway.call.values import Ask, Call, Choice, Operation, OwnVariant, Principal, Served
from gateway.inference.model_selection import (
    BYTES_A_TOKEN,
    LIKELY_OUTPUT,
    Chooser,
    Wish,
    budget_of,
    fallback_allowed,
    next_choice,
)
from gateway.registry.variants import PREFIX as VARIANT_PREFIX
from gateway.registry.variants import pinned
from gateway.upstream.availability import Availability, not_served
from gateway.wire import fine_tuning, inference, openai, requests
from infra import ids
from models.catalog import AUTO, SPECIALIST_TASKS, Catalog, Model, Task

_TASKS: Mapping[Operation, frozenset[Task]] = {
    Operation.CHAT: frozenset({Task.TEXT_GENERATION}),
    Operation.TEXT_COMPLETION: frozenset({Task.TEXT_GENERATION}),
    Operation.EMBEDDINGS: frozenset({Task.EMBEDDING}),
    Operation.PREDICTIONS: SPECIALIST_TASKS,
    Operation.INFER: SPECIALIST_TASKS,
    Operation.ADAPTATION: SPECIALIST_TASKS | {Task.TEXT_GENERATION},
}

_VERSION = re.compile(r"[A-Za-z0-9._-]{1,40}")


@dataclass(frozen=True, slots=True)
class _Reading:
    """A request that was read, whichever model it goes to: `ask` makes it one of a model. By `wish`
    a model is chosen where none is named; None where that cannot be."""

    name: str
    ask: Callable[[Served], Ask]
    version: str | None = None
    wish: Wish | None = None


class Parser:
    """Understands requests for the models of one catalog, as far as they are served."""

    def __init__(self, catalog: Catalog, chooser: Chooser, availability: Availability) -> None:
        self.catalog = self._catalog = catalog
        self._chooser = chooser
        self._availability = availability

    def parse(self, call: Call, body: bytes, principal: Principal) -> Ask:
        """What is asked, of the catalog's models or the account's own variants.

        Raises BodyNotJson, ParameterInvalid, ModelNotFound, ModelNotInstalled, WrongEndpoint,
        EndpointUnsupported, and ModelNotPriced where a model is to be chosen.
        """
        tags, ask = tags_of(call.headers), self._ask(call, body, principal)
        return ask if tags is None else replace(ask, tags={**tags, **(ask.tags or {})})

    def instead(self, call: Call, body: bytes, principal: Principal, ask: Ask) -> Ask | None:
        """The same request of the model that stands in for that of `ask`; None where none does."""
        choice = None if ask.choice is None else next_choice(ask.choice)
        if choice is None:
            return None
        other = _read(call, body, principal).ask(_as_sold(choice.model, principal))
        return replace(other, tags=ask.tags, choice=choice, cited=ask.cited)

    def _ask(self, call: Call, body: bytes, principal: Principal) -> Ask:
        match call.operation:
            case Operation.ADAPTATION:
                job = fine_tuning.read_job(body)
                return fine_tuning.ask_adaptation(self._served(job.model, call.operation), b"")
            case Operation.UNSUPPORTED:
                raise EndpointUnsupported(
                    "This service has no such address. /docs lists what it has."
                )
            case _:
                reading = _read(call, body, principal)
                choice = self._choice(call, reading, principal)
                if choice is not None:
                    choice = self._able(choice)
                    served = _as_sold(choice.model, principal)
                    return replace(reading.ask(served), choice=choice)
                served = self.served(reading.name, reading.version, call.operation, principal)
                ask, own = reading.ask(served), served.shown in principal.variants
                return replace(ask, tags={VARIANT: served.shown}) if own else ask

    def _choice(self, call: Call, reading: _Reading, principal: Principal) -> Choice | None:
        """The choice of a model, where it is left to us or others may stand in for it."""
        allowed = fallback_allowed(call.headers)
        if reading.name == AUTO:
            if reading.wish is None:
                raise WrongEndpoint("Name the model: `auto` chooses none here.", param="model")
            wish = replace(reading.wish, budget_ms=budget_of(call.headers))
            by_columns = call.operation is Operation.PREDICTIONS
            choose = self._chooser.for_rows if by_columns else self._chooser.for_text
            choice = choose(wish)
            return replace(choice, others=()) if allowed is False else choice
        if not allowed or reading.version is not None or reading.name in principal.variants:
            return None
        return self._chooser.for_name(self._model(reading.name, call.operation), principal.contract)

    def served(
        self,
        name: str,
        version: str | None,
        operation: Operation,
        principal: Principal,
    ) -> Served:
        """Which model answers. Raises ModelNotFound, ModelNotInstalled, WrongEndpoint."""
        own = principal.variants.get(name)
        if own is None and version is None:
            found = pinned(name, principal.variants)
            if found is not None:
                return self.served(*found, operation, principal)
        if own is None:
            model = self._served(name, operation)
            if version is None:
                return _as_sold(model, principal)
            # It becomes a part of the address that its server is asked at.
            if not _VERSION.fullmatch(version):
                raise _no_version(name)
            return Served(model, f"{model.id}/versions/{version}", model.id)
        return served_variant(self._served(own.base, operation), name, own, version)

    def _able(self, choice: Choice) -> Choice:
        """The choice, or its stand-in where its model is not served. Raises ModelNotInstalled."""
        if self._availability.serves(choice.model):
            return choice
        instead = next_choice(choice)
        if instead is None:
            raise not_served(choice.model.id)
        return instead

    def _served(self, name: str, operation: Operation) -> Model:
        model = self._model(name, operation)
        self._availability.require(model)
        return model

    def _model(self, name: str, operation: Operation) -> Model:
        model = self._catalog.find(name)
        if model is None:
            raise ModelNotFound(
                f"The model {name[:100]!r} does not exist. GET /v1/models lists those that do.",
                param="model",
            )
        if model.task not in _TASKS[operation]:
            raise WrongEndpoint(
                f"The model {model.id!r} is for {model.task}, which this endpoint does not do.",
                param="model",
            )
        return model


def _read(call: Call, body: bytes, principal: Principal) -> _Reading:
    """Raises BodyNotJson, ParameterInvalid."""
    match call.operation:
        case Operation.INFER:
            ask = partial(inference.ask_infer, body=body, headers=call.headers)
            return _Reading(call.model_in_path or "", ask, call.version_in_path)
        case Operation.PREDICTIONS:
            prediction = inference.read_prediction(body)
            public_id = ids.show(REQUEST_PREFIX, call.request_id)
            ask = partial(inference.ask_prediction, prediction, public_id=public_id)
            rows = prediction.instances
            wish = Wish(principal.contract, prediction.task, frozenset(rows[0]), len(rows))
            return _Reading(prediction.model, ask, wish=wish)
        case _:
            request = openai.read_request(call.operation, body)

            def ask_engine(served: Served) -> Ask:
                return openai.ask(request, served, call.path, body)

            if request.model != AUTO:
                return _Reading(request.model, ask_engine)
            return _Reading(request.model, ask_engine, wish=_wish(request, body, principal))


def _wish(
    request: requests.Generation | requests.EmbeddingRequest, body: bytes, principal: Principal
) -> Wish | None:
    if not isinstance(request, requests.Generation):
        return None
    return Wish(
        principal.contract,
        openai.words_of(request),
        input_tokens=len(body) // BYTES_A_TOKEN,
        output_tokens=openai.output_limit(request) or LIKELY_OUTPUT,
    )


def _as_sold(model: Model, principal: Principal) -> Served:
    """As the catalog has it, or the version of it that answers everybody since."""
    version = principal.versions.get(model.id)
    place = model.id if version is None else _place(model, version)
    return Served(model, place, model.id, version)


def served_variant(model: Model, name: str, own: OwnVariant, version: str | None) -> Served:
    """A version of a variant, the current one if none is asked for. Raises ModelNotFound."""
    number = own.current if version is None else _number(version)
    variant = own.versions.get(number)
    if variant is None:
        raise _no_version(name)
    return Served(model, _place(model, variant), name, variant)


def _number(version: str) -> int:
    return int(version) if version.isdecimal() and len(version) < 10 else -1


def _place(model: Model, variant: UUID) -> str:
    """What a server calls a variant of the model, or a version."""
    place = ids.show(VARIANT_PREFIX, variant)
    # Which the engine's server takes apart.
    return f"{model.engine_id}:{place}" if model.task is Task.TEXT_GENERATION else place


def _no_version(name: str) -> ModelNotFound:
    return ModelNotFound(f"The model {name[:100]!r} has no such version.", param="version")
