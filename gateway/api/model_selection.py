"""`/v1/route`: the model that `auto` would choose for a request, without making the call."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.call.values import ModelSelection, Principal
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.model_selection import (
    BYTES_PER_TOKEN,
    EXPECTED_OUTPUT_TOKENS,
    MAX_LATENCY_MS,
    ModelSelector,
    SelectionCriteria,
)
from gateway.wire.body import decode_body_strict
from models.catalog import SPECIALIST_TASKS

_MAX_BODY_BYTES = 4 << 20
_MAX_RUNNERS_UP = 3


class RouteRequest(msgspec.Struct):
    """The request to select a model for: a text `input`, rows in `instances`, or both.

    Of the rows, only the column names of the first one are used. `latency_ms` is the maximum
    response time.
    """

    input: str = ""
    instances: list[dict[str, msgspec.Raw]] = []
    latency_ms: Annotated[int, Meta(ge=1, le=MAX_LATENCY_MS)] | None = None


_DECODER = msgspec.json.Decoder(RouteRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {"/v1/route": RouteRequest}


class AutoRoutes(Controller):
    """Model selection without a call; nothing is billed."""

    path = "/v1"
    request_max_body_size = _MAX_BODY_BYTES

    @post(
        "/route",
        status_code=200,
        summary="Preview the model that `auto` selects for a request, with the reason",
    )
    async def decide(
        self,
        principal: NamedDependency[Principal],
        model_selector: NamedDependency[ModelSelector],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Return the model that `auto` selects for the input, with the reason and runners-up."""
        route_request = decode_body_strict(_DECODER, await request.body())
        if not route_request.input.strip() and not route_request.instances:
            raise ParameterInvalid("Send `input`, `instances` or both.", param="input")
        choice = model_selector.select_for_any_endpoint(_criteria(route_request, principal))
        return {**_route_json(choice, principal), "runners_up": _runners_up(choice, model_selector)}


def _criteria(route_request: RouteRequest, principal: Principal) -> SelectionCriteria:
    """Return what the selection depends on: input, columns and rows, prices, and latency limit."""
    rows = route_request.instances
    return SelectionCriteria(
        principal.model_prices,
        route_request.input,
        frozenset(rows[0]) if rows else frozenset(),
        # A request without rows is taken to concern one machine.
        max(1, len(rows)),
        len(route_request.input.encode()) // BYTES_PER_TOKEN,
        EXPECTED_OUTPUT_TOKENS,
        route_request.latency_ms,
    )


def _route_json(choice: ModelSelection, principal: Principal) -> dict[str, Any]:
    """Return the chosen model, its prices and the fallbacks as JSON."""
    model, confidences = choice.model, choice.task_confidences
    specialist = model.task in SPECIALIST_TASKS
    route = model.route
    return {
        "object": "route",
        "model": model.id,
        "endpoint": (PREDICTIONS if specialist else CHAT).path,
        "columns": sorted(route.inputs) if route is not None else [],
        "reason": choice.reason,
        "task": next(iter(confidences), None),
        "confidence": _rounded(next(iter(confidences.values()), None)),
        "latency_ms": model.latency_ms,
        "currency": principal.currency,
        "price_nano_per_unit": dict(principal.model_prices[model.id].prices),
        "fallbacks": [other.id for other in choice.fallbacks],
    }


def _runners_up(choice: ModelSelection, model_selector: ModelSelector) -> list[dict[str, Any]]:
    """Return the next most likely tasks with the specialist models that serve them."""
    return [
        {
            "task": task,
            "confidence": _rounded(confidence),
            "models": [model.id for model in model_selector.specialists_for_task(task)],
        }
        for task, confidence in list(choice.task_confidences.items())[1 : 1 + _MAX_RUNNERS_UP]
    ]


def _rounded(confidence: float | None) -> float | None:
    """Round a confidence to 4 decimals. Returns None for None."""
    return None if confidence is None else round(confidence, 4)
