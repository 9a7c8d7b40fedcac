"""Requests of the endpoint table, decoded without a gateway, and its examples."""

from datetime import UTC, datetime
from typing import Any

from gateway.call.values import Call, Operation, ParsedRequest, Principal, ResolvedModel
from gateway.inference.endpoints.endpoint import DecodedRequest, Endpoint
from gateway.inference.endpoints.table import ENDPOINTS
from gateway.inference.token_count import PromptFormat
from infra import ids
from models.catalog import Catalog, Model
from tests.support.builders import CATALOG
from tests.support.gateway.moderating import MODELS

PRINCIPAL = Principal(ids.new_id(), ids.new_id(), "CNY")


def decoded(operation: Operation, body: bytes) -> DecodedRequest:
    """The body, decoded by its endpoint."""
    endpoint = ENDPOINTS[operation]
    at = datetime(2026, 11, 10, tzinfo=UTC)
    call = Call(ids.new_id(), operation, endpoint.path, None, {}, None, at, 0.0)
    return endpoint.decode(call, endpoint.internal_body(call, body), PRINCIPAL)


def parsed(operation: Operation, body: bytes, model: Model) -> ParsedRequest:
    """The upstream request of the body for a model."""
    return decoded(operation, body).for_model(ResolvedModel(model, model.id, model.id))


def prompt_of(operation: str) -> PromptFormat:
    """The prompt format of an operation that meters tokens."""
    prompt = ENDPOINTS[Operation(operation)].prompt
    assert prompt is not None
    return prompt


def example_model(endpoint: Endpoint) -> Model:
    """The model of the endpoint's examples; those that check texts are of operators' catalogs."""
    assert endpoint.documentation is not None
    catalog = Catalog({**CATALOG.models, **MODELS}, CATALOG.retired)
    return catalog.with_task(endpoint.documentation.example_task)[0]


def example_request(endpoint: Endpoint) -> Any:
    """The first example request of the endpoint in the OpenAPI document."""
    assert endpoint.documentation is not None
    model = example_model(endpoint)
    return next(iter(endpoint.documentation.examples(model.id).requests.values()))
