"""`/v1/route`: what `auto` would choose for a request, without making the call."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.call.values import Choice, Principal
from gateway.inference.model_selection import BYTES_A_TOKEN, LIKELY_OUTPUT, MOST_MS, Chooser, Wish
from gateway.wire.body import read_strictly
from models.catalog import SPECIALIST_TASKS

_MOST_BYTES = 4 << 20
_RUNNERS_UP = 3


class RouteQuestion(msgspec.Struct):
    """What is asked in words, or the rows that are to be judged, or both; of the rows, the names of
    the first one's columns are read."""

    input: str = ""
    instances: list[dict[str, msgspec.Raw]] = []
    latency_ms: Annotated[int, Meta(ge=1, le=MOST_MS)] | None = None


_QUESTION = msgspec.json.Decoder(RouteQuestion)
BODIES: Mapping[str, type[msgspec.Struct]] = {"/v1/route": RouteQuestion}


class AutoRoutes(Controller):
    """Nothing is called, so nothing is billed."""

    path = "/v1"
    request_max_body_size = _MOST_BYTES

    @post("/route", status_code=200, summary="What `auto` would choose for a request, and why")
    async def decide(
        self,
        principal: NamedDependency[Principal],
        chooser: NamedDependency[Chooser],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        question = read_strictly(_QUESTION, await request.body())
        if not question.input.strip() and not question.instances:
            raise ParameterInvalid("Send `input`, `instances` or both.", param="input")
        choice = chooser.for_either(_wish(question, principal))
        return {**_decision(choice, principal), "runners_up": _runners_up(choice, chooser)}


def _wish(question: RouteQuestion, principal: Principal) -> Wish:
    rows = question.instances
    return Wish(
        principal.contract,
        question.input,
        frozenset(rows[0]) if rows else frozenset(),
        # A text alone is asked of one machine, as far as is known.
        max(1, len(rows)),
        len(question.input.encode()) // BYTES_A_TOKEN,
        LIKELY_OUTPUT,
        question.latency_ms,
    )


def _decision(choice: Choice, principal: Principal) -> dict[str, Any]:
    model, confidences = choice.model, choice.confidences
    specialist = model.task in SPECIALIST_TASKS
    route = model.route
    return {
        "object": "route",
        "model": model.id,
        "endpoint": "/v1/predictions" if specialist else "/v1/chat/completions",
        "columns": sorted(route.inputs) if route is not None else [],
        "reason": choice.reason,
        "task": next(iter(confidences), None),
        "confidence": _rounded(next(iter(confidences.values()), None)),
        "latency_ms": model.latency_ms,
        "currency": principal.currency,
        "price_nano_per_unit": dict(principal.contract[model.id].prices),
        "fallbacks": [other.id for other in choice.others],
    }


def _runners_up(choice: Choice, chooser: Chooser) -> list[dict[str, Any]]:
    """The tasks that the words ask for less likely, with the specialists that do them."""
    return [
        {
            "task": task,
            "confidence": _rounded(confidence),
            "models": [model.id for model in chooser.doing(task)],
        }
        for task, confidence in list(choice.confidences.items())[1 : 1 + _RUNNERS_UP]
    ]


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 4)
