"""Parsing: from a body to what is asked of which model.

Owns which shape belongs to which operation, and finding the model among those that are sold.
Does not own the shapes (gateway/wire/).
"""

from collections.abc import Mapping
from dataclasses import replace

from billing.metering.usage import REQUEST_PREFIX
from gateway.errors import EndpointUnsupported, ModelNotFound, WrongEndpoint
from gateway.flow import Ask, Call, Operation
from gateway.tags import tags_of
from gateway.wire import inference, openai
from infra import ids
from models.catalog import SPECIALIST_TASKS, Catalog, Model, Task

_TASKS: Mapping[Operation, frozenset[Task]] = {
    Operation.CHAT: frozenset({Task.TEXT_GENERATION}),
    Operation.TEXT_COMPLETION: frozenset({Task.TEXT_GENERATION}),
    Operation.EMBEDDINGS: frozenset({Task.EMBEDDING}),
    Operation.PREDICTIONS: SPECIALIST_TASKS,
    Operation.INFER: SPECIALIST_TASKS,
}


class Parser:
    """Understands requests for the models of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def parse(self, call: Call, body: bytes) -> Ask:
        """What is asked.

        Raises BodyNotJson, ParameterInvalid, ModelNotFound, WrongEndpoint, EndpointUnsupported.
        """
        tags, ask = tags_of(call.headers), self._ask(call, body)
        return ask if tags is None else replace(ask, tags=tags)

    def _ask(self, call: Call, body: bytes) -> Ask:
        match call.operation:
            case Operation.INFER:
                model = self._model(call.model_in_path or "", call.operation)
                return inference.ask_infer(model, body, call.headers)
            case Operation.PREDICTIONS:
                prediction = inference.read_prediction(body)
                model = self._model(prediction.model, call.operation)
                public_id = ids.show(REQUEST_PREFIX, call.request_id)
                return inference.ask_prediction(prediction, model, public_id)
            case Operation.UNSUPPORTED:
                raise EndpointUnsupported(
                    f"This service has no {call.path[:200]}. /docs lists what it has."
                )
            case _:
                request = openai.read_request(call.operation, body)
                model = self._model(request.model, call.operation)
                return openai.ask(request, model, call.path, body)

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
