"""Parsing: from a body to what is asked of which model.

Owns which shape belongs to which operation, and finding the model among those that are sold.
Does not own the shapes (gateway/wire/).
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from billing.metering.usage import REQUEST_PREFIX
from gateway.errors import EndpointUnsupported, ModelNotFound, WrongEndpoint
from gateway.flow import Ask, Call, Operation, OwnVariant, Served
from gateway.tags import tags_of
from gateway.variants import PREFIX as VARIANT_PREFIX
from gateway.wire import fine_tuning, inference, openai
from infra import ids
from models.catalog import SPECIALIST_TASKS, Catalog, Model, Task

_TASKS: Mapping[Operation, frozenset[Task]] = {
    Operation.CHAT: frozenset({Task.TEXT_GENERATION}),
    Operation.TEXT_COMPLETION: frozenset({Task.TEXT_GENERATION}),
    Operation.EMBEDDINGS: frozenset({Task.EMBEDDING}),
    Operation.PREDICTIONS: SPECIALIST_TASKS,
    Operation.INFER: SPECIALIST_TASKS,
    Operation.ADAPTATION: SPECIALIST_TASKS,
}

_VERSION = re.compile(r"[A-Za-z0-9._-]{1,40}")


class Parser:
    """Understands requests for the models of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def parse(self, call: Call, body: bytes, variants: Mapping[str, OwnVariant]) -> Ask:
        """What is asked, of the catalog's models or the account's own variants.

        Raises BodyNotJson, ParameterInvalid, ModelNotFound, WrongEndpoint, EndpointUnsupported.
        """
        tags, ask = tags_of(call.headers), self._ask(call, body, variants)
        return ask if tags is None else replace(ask, tags=tags)

    def _ask(self, call: Call, body: bytes, variants: Mapping[str, OwnVariant]) -> Ask:
        match call.operation:
            case Operation.INFER:
                name, version = call.model_in_path or "", call.version_in_path
                served = self.served(name, version, call.operation, variants)
                return inference.ask_infer(served, body, call.headers)
            case Operation.PREDICTIONS:
                prediction = inference.read_prediction(body)
                served = self.served(prediction.model, None, call.operation, variants)
                public_id = ids.show(REQUEST_PREFIX, call.request_id)
                return inference.ask_prediction(prediction, served, public_id)
            case Operation.ADAPTATION:
                job = fine_tuning.read_job(body)
                return fine_tuning.ask_adaptation(self._model(job.model, call.operation), b"")
            case Operation.UNSUPPORTED:
                raise EndpointUnsupported(
                    f"This service has no {call.path[:200]}. /docs lists what it has."
                )
            case _:
                request = openai.read_request(call.operation, body)
                model = self._model(request.model, call.operation)
                return openai.ask(request, model, call.path, body)

    def served(
        self,
        name: str,
        version: str | None,
        operation: Operation,
        variants: Mapping[str, OwnVariant],
    ) -> Served:
        """Which model answers. Raises ModelNotFound, WrongEndpoint."""
        own = variants.get(name)
        if own is None:
            model = self._model(name, operation)
            if version is None:
                return Served(model, model.id, model.id)
            # It becomes a part of the address that its server is asked at.
            if not _VERSION.fullmatch(version):
                raise _no_version(name)
            return Served(model, f"{model.id}/versions/{version}", model.id)
        return served_variant(self._model(own.base, operation), name, own, version)

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


def served_variant(model: Model, name: str, own: OwnVariant, version: str | None) -> Served:
    """A version of a variant, the current one if none is asked for. Raises ModelNotFound."""
    number = own.current if version is None else int(version) if version.isdecimal() else -1
    variant = own.versions.get(number)
    if variant is None:
        raise _no_version(name)
    return Served(model, ids.show(VARIANT_PREFIX, variant), name, variant)


def _no_version(name: str) -> ModelNotFound:
    return ModelNotFound(f"The model {name[:100]!r} has no such version.", param="version")
