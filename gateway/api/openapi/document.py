"""The OpenAPI document and the page that shows it.

Owns putting the document together, the metered calls first, and serving the page's files from this
machine: a plant's network has no internet.
"""

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.openapi.spec import Components, Contact, SecurityScheme
from litestar.static_files import create_static_files_router

from gateway.api import (
    alerts,
    feedback,
    files,
    fine_tuning,
    line_disputes,
    model_selection,
    subscription,
)
from gateway.api.openapi.metered_calls import metered_paths
from gateway.api.openapi.responses import ERRORS, REFERENCE, with_refusals
from gateway.api.openapi.tags import TAGS, with_tags
from gateway.api.outcomes import contracts, evidence, settlements
from gateway.api.outcomes import outcomes as claims
from gateway.wire import vector_stores
from models.catalog import Catalog

_PACKAGE = "drf-spectacular-sidecar"
_ASSETS = "drf_spectacular_sidecar/static/drf_spectacular_sidecar/swagger-ui-dist"
_PLAIN_BODIES = {
    **files.BODIES,
    **subscription.BODIES,
    **alerts.BODIES,
    **model_selection.BODIES,
    **contracts.BODIES,
    **evidence.BODIES,
    **claims.BODIES,
    **settlements.BODIES,
    **line_disputes.BODIES,
    **fine_tuning.BODIES,
    **vector_stores.BODIES,
    **feedback.BODIES,
}


class DocumentPage(SwaggerRenderPlugin):
    """Swagger UI over the whole document; Litestar's own one lacks the metered calls."""

    def __init__(self, catalog: Catalog, **values: Any) -> None:
        super().__init__(**values)
        self._catalog = catalog

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, describe(openapi_schema, self._catalog))


class DocumentFile(JsonRenderPlugin):
    """The same document below `/docs`."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self._catalog = catalog

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, describe(openapi_schema, self._catalog))


def openapi_config(catalog: Catalog) -> OpenAPIConfig:
    """What Litestar itself describes, and where the document and its page are."""
    return OpenAPIConfig(
        title="Model as a Service",
        version="1",
        description=(
            "Large and small industrial models under one API key and one bill. "
            "Choose *Authorize* and enter an API key to try calls: they are metered and billed. "
            "Errors have OpenAI's shape; see docs/errors.md for the codes."
        ),
        contact=Contact(name="The platform's operator"),
        path="/docs",
        render_plugins=[
            DocumentPage(
                catalog,
                path="/",
                favicon="<link rel='icon' href='/docs/assets/favicon-32x32.png'>",
                js_url="/docs/assets/swagger-ui-bundle.js",
                css_url="/docs/assets/swagger-ui.css",
                standalone_preset_js_url="/docs/assets/swagger-ui-standalone-preset.js",
            ),
            DocumentFile(catalog),
        ],
        components=Components(
            security_schemes={
                "api_key": SecurityScheme(
                    type="http", scheme="bearer", description="An API key, `maas_…`"
                )
            }
        ),
        security=[{"api_key": []}],
        tags=list(TAGS),
    )


def document_route(catalog: Catalog) -> HTTPRouteHandler:
    """`GET /openapi.json`: everything that this service answers to."""

    @get("/openapi.json", include_in_schema=False, sync_to_thread=False)
    def openapi_document(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return describe(request.app.openapi_schema.to_schema(), catalog)

    return openapi_document


def assets_router() -> Any:
    """The page's own files."""
    folder = Path(str(distribution(_PACKAGE).locate_file(_ASSETS)))
    return create_static_files_router(
        path="/docs/assets", directories=[folder], include_in_schema=False
    )


def describe(document: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Litestar's document with the metered calls before everything else."""
    metered, shapes = metered_paths(catalog)
    paths = dict(document.get("paths", {}))
    bodies, more = msgspec.json.schema_components(_PLAIN_BODIES.values(), ref_template=REFERENCE)
    for address, shape in zip(_PLAIN_BODIES, bodies, strict=True):
        described = {**paths[address]["post"], "requestBody": _body(shape)}
        paths[address] = {**paths[address], "post": described}
    known = document.get("components", {})
    schemas = {**shapes, **known.get("schemas", {}), **more, **ERRORS}
    ordered = {**metered, **with_refusals(with_tags(paths))}
    return {**document, "paths": ordered, "components": {**known, "schemas": schemas}}


def _body(shape: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": shape}}}
