"""What schemathesis is told of this service: models that it sells, so that calls get that far.

Loaded by schemathesis itself (SCHEMATHESIS_HOOKS); each name keeps its made-up value in one of
four cases, as to be refused is to be tried too.
"""

from collections.abc import Mapping
from typing import Any

import schemathesis

from tests.builders import CHAT, EMBEDDING, SPECIALIST

_MODELS: Mapping[str, str] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": CHAT,
    "/v1/quote": CHAT,
    "/v1/embeddings": EMBEDDING,
    "/v1/predictions": SPECIALIST,
}


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    model = _MODELS.get(context.operation.path) if context.operation is not None else None
    if model is None or not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return body
    return body if hash(body["model"]) % 4 == 0 else {**body, "model": model}


@schemathesis.hook
def map_path_parameters(_context: schemathesis.HookContext, parameters: Any) -> Any:
    """The Open Inference Protocol names its model in the path."""
    if not isinstance(parameters, dict) or not isinstance(parameters.get("name"), str):
        return parameters
    return parameters if hash(parameters["name"]) % 4 == 0 else {**parameters, "name": SPECIALIST}
