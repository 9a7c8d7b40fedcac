"""Parsing: from a body to what is asked of which model.

Owns which shape belongs to which operation, and finding the model among those that are sold.
Does not own the shapes (gateway/wire/).
"""

from collections.abc import Mapping

from billing.usage import REQUEST_PREFIX
from gateway.errors import EndpointUnsupported, ModelNotFound, WrongEndpoint
from gateway.flow import Ask, Call, Operation
from gateway.wire import inference, openai
from infra import ids
from models.catalog import Catalog, Model, Task

_TASKS: Mapping[Operation, Task] = {
    Operation.CHAT: Task.TEXT_GENERATION,
    Operation.TEXT_COMPLETION: Task.TEXT_GENERATION,
    Operation.EMBEDDINGS: Task.EMBEDDING,
    Operation.PREDICTIONS: Task.CLASSIFICATION,
    Operation.INFER: Task.CLASSIFICATION,
}


class Parser:
    """Understands requests for the models of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def parse(self, call: Call, body: bytes) -> Ask:
        """What is asked.

        Raises BodyNotJson, ParameterInvalid, ModelNotFound, WrongEndpoint, EndpointUnsupported.
        """
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
        if model.task is not _TASKS[operation]:
            raise WrongEndpoint(
                f"The model {model.id!r} is for {model.task}, which this endpoint does not do.",
                param="model",
            )
        return model
