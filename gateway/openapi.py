"""The OpenAPI document and the page that shows it.

Owns describing the metered addresses, which are plain ASGI and so describe nothing themselves,
and serving the page's files from this machine: a plant's network has no internet. Does not own
what it says of errors (gateway/openapi_answers.py).
"""

from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, Contact, SecurityScheme, Tag
from litestar.static_files import create_static_files_router

from gateway.flow import Operation
from gateway.openapi_answers import ERRORS, with_refusals
from gateway.routes import (
    alerts,
    auto,
    claims,
    evidence,
    feedback,
    fine_tuning,
    line_disputes,
    outcomes,
    settlements,
    subscription,
)
from gateway.routes.inference import INFER, PLAIN
from gateway.wire import vector_stores
from gateway.wire.inference import InferRequest, PredictionRequest
from gateway.wire.openai import ChatRequest, CompletionRequest, EmbeddingRequest

_PACKAGE = "drf-spectacular-sidecar"
_ASSETS = "drf_spectacular_sidecar/static/drf_spectacular_sidecar/swagger-ui-dist"
_BODIES: Mapping[Operation, tuple[type[msgspec.Struct], str]] = {
    Operation.CHAT: (ChatRequest, "A chat completion, whole or as a stream"),
    Operation.TEXT_COMPLETION: (CompletionRequest, "A text completion, whole or as a stream"),
    Operation.EMBEDDINGS: (EmbeddingRequest, "Embeddings of texts"),
    Operation.PREDICTIONS: (PredictionRequest, "Predictions of a specialist for rows of data"),
    Operation.INFER: (InferRequest, "The same under the Open Inference Protocol v2"),
}
_PLAIN_BODIES = {
    **subscription.BODIES,
    **alerts.BODIES,
    **auto.BODIES,
    **outcomes.BODIES,
    **evidence.BODIES,
    **claims.BODIES,
    **settlements.BODIES,
    **line_disputes.BODIES,
    **fine_tuning.BODIES,
    **vector_stores.BODIES,
    **feedback.BODIES,
}
_REFERENCE = "#/components/schemas/{name}"


def openapi_config() -> OpenAPIConfig:
    """What Litestar itself describes, and where the document and its page are."""
    return OpenAPIConfig(
        title="Model as a Service",
        version="1",
        description=(
            "Large and small industrial models under one API key and one bill. "
            "Errors have OpenAI's shape; see docs/errors.md for the codes."
        ),
        contact=Contact(name="The platform's operator"),
        path="/docs",
        render_plugins=[
            SwaggerRenderPlugin(
                path="/",
                favicon="<link rel='icon' href='/docs/assets/favicon-32x32.png'>",
                js_url="/docs/assets/swagger-ui-bundle.js",
                css_url="/docs/assets/swagger-ui.css",
                standalone_preset_js_url="/docs/assets/swagger-ui-standalone-preset.js",
            )
        ],
        components=Components(
            security_schemes={"api_key": SecurityScheme(type="http", scheme="bearer")}
        ),
        security=[{"api_key": []}],
        tags=[Tag(name="inference", description="Metered calls")],
    )


def document_route() -> HTTPRouteHandler:
    """`GET /openapi.json`: everything that this service answers to."""

    @get("/openapi.json", include_in_schema=False, sync_to_thread=False)
    def openapi_document(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return describe(request.app.openapi_schema.to_schema())

    return openapi_document


def assets_router() -> Any:
    """The page's own files."""
    folder = Path(str(distribution(_PACKAGE).locate_file(_ASSETS)))
    return create_static_files_router(
        path="/docs/assets", directories=[folder], include_in_schema=False
    )


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Litestar's document with the metered addresses added."""
    shapes, components = msgspec.json.schema_components(
        [body for body, _ in _BODIES.values()], ref_template=_REFERENCE
    )
    paths = dict(document.get("paths", {}))
    for (address, operation), shape in zip(_described(), shapes, strict=True):
        paths[address] = {"post": _operation(operation, shape)}
    bodies, more = msgspec.json.schema_components(_PLAIN_BODIES.values(), ref_template=_REFERENCE)
    for address, shape in zip(_PLAIN_BODIES, bodies, strict=True):
        described = {**paths[address]["post"], "requestBody": _body(shape)}
        paths[address] = {**paths[address], "post": described}
    known = document.get("components", {})
    schemas = {**known.get("schemas", {}), **components, **more, **ERRORS}
    paths = with_refusals(paths)
    return {**document, "paths": paths, "components": {**known, "schemas": schemas}}


def _described() -> list[tuple[str, Operation]]:
    return [*PLAIN.items(), (INFER.replace(":str", ""), Operation.INFER)]


def _operation(operation: Operation, shape: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.value,
        "summary": _BODIES[operation][1],
        "tags": ["inference"],
        "requestBody": _body(shape),
        "responses": {
            "200": {"description": "The answer", "headers": _HEADERS},
            **{status: {"description": text} for status, text in _FAILURES.items()},
        },
    }
    if operation is Operation.INFER:
        described["parameters"] = [
            {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
        ]
    return described


def _body(shape: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": shape}}}


_HEADERS = {
    name: {"schema": {"type": "string"}, "description": text}
    for name, text in {
        "x-request-id": "The call's id, as in its usage row",
        "x-maas-cost": "What the call cost, in the major unit of x-maas-currency (not in streams)",
        "x-maas-currency": "ISO 4217",
        "x-maas-model": "Which model was chosen, where the call asked for `auto`",
        "x-maas-route-reason": "Why it was",
        "x-maas-suggested-model": "The specialist that would do what a text asks for",
    }.items()
}
_FAILURES = {
    "400": "The request cannot be served as it is",
    "401": "No valid API key",
    "404": "No such model",
    "413": "The body is too large",
    "502": "The model failed; not billed",
    "503": "Not available just now; not billed",
    "504": "The model was silent for too long; not billed",
}
