"""schemathesis hooks: models and ids of the account, so that requests pass the first checks.

Loaded by schemathesis (SCHEMATHESIS_HOOKS); in one of four cases a name keeps its generated
value, to test rejections as well.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import schemathesis

from tests.support.builders import CHAT, EMBEDDING, SPECIALIST

_MODELS: Mapping[str, str] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": CHAT,
    "/v1/responses": CHAT,
    "/v1/quote": CHAT,
    "/v1/embeddings": EMBEDDING,
    "/v1/predictions": SPECIALIST,
}
# Ids of the account by path parameter; the Open Inference Protocol has the model in the path.
_KNOWN: Mapping[str, str] = {"name": SPECIALIST, **json.loads(os.environ.get("FUZZ_KNOWN", "{}"))}


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    model = _MODELS.get(context.operation.path) if context.operation is not None else None
    if model is None or not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return body
    return body if hash(body["model"]) % 4 == 0 else {**body, "model": model}


@schemathesis.hook
def map_path_parameters(_context: schemathesis.HookContext, parameters: Any) -> Any:
    if not isinstance(parameters, dict):
        return parameters
    return {name: _known(name, value) for name, value in parameters.items()}


def _known(name: str, value: Any) -> Any:
    made_up = not isinstance(value, str) or hash(value) % 4 == 0
    return value if made_up else _KNOWN.get(name, value)
