"""Ask a language model whether the reader's line answers, where the reader's judge is in doubt.

judge's probability -> in doubt? -> two chats of one token, side by side -> joint probability

The chats are linked calls at the operator's expense: the client pays for the question and the
answer, not for how it was found. The judge decides alone if a chat fails or takes too long, and
while several lines are being checked.
"""

import asyncio
from dataclasses import dataclass

from prometheus_client import Counter

from gateway.call.values import CallResult, ParsedRequest, Principal
from gateway.inference.admission import model_prices_of
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.internal.waived_calls import WaivedCall, WaivedCallSender
from gateway.wire.file_search.line_check import check_request, read_margin
from models.catalog import Catalog, Model
from models.grounding.families import lacks_asked_item
from models.line_reader.model_check.prompts import check_prompts
from models.line_reader.model_check.verdict import CheckWeights

# Both chats take about a second on an idle engine. A model's answer would take as long as this.
_TIMEOUT_S = 8.0
# Lines at once: more would wait for each other until the time is over.
_MAX_RUNNING = 4


@dataclass(frozen=True, slots=True)
class AskingCall:
    """The client's call for which a line is checked."""

    principal: Principal
    request: ParsedRequest
    linked: LinkedCalls


@dataclass(frozen=True, slots=True)
class JudgedLine:
    """A line with its heading, as the reader's judge sees it."""

    question: str
    shown: str
    probability: float


class LineChecker:
    """Asks the models of one gateway process whether lines answer; bound to one event loop."""

    def __init__(
        self, catalog: Catalog, sender: WaivedCallSender, weights: CheckWeights, checks: Counter
    ) -> None:
        self._catalog = catalog
        self._sender = sender
        self._weights = weights
        self._checks = checks
        self._running = 0

    async def answers(self, asking: AskingCall, judged: JudgedLine) -> bool | None:
        """Return whether a line answers; None if the judge is to decide alone."""
        model = self._find(asking.request.model)
        if model is None or not self._weights.is_in_doubt(judged.probability):
            return None
        if lacks_asked_item(judged.question, [judged.shown]):
            return False  # small models overlook that a line is about another item
        if self._running >= _MAX_RUNNING:
            self._checks.labels("busy").inc()
            return None
        self._running += 1
        try:
            margins = await self._ask(asking, judged, model)
        finally:
            self._running -= 1
        if margins is None:
            self._checks.labels("failed").inc()
            return None
        probability = self._weights.probability(judged.probability, *margins)
        is_answer = probability >= self._weights.threshold
        self._checks.labels("answers" if is_answer else "does_not_answer").inc()
        return is_answer

    def _find(self, model: Model) -> Model | None:
        """Return the model that checks lines for another: the base on the same engine."""
        base = self._catalog.models.get(model.base or model.id)
        return base if base is not None and base.file_search.checks_lines else None

    async def _ask(
        self, asking: AskingCall, judged: JudgedLine, model: Model
    ) -> tuple[float, float] | None:
        """Return the margins of both chats; None if one of them failed."""
        prompts = check_prompts(judged.question, judged.shown)
        requests = [check_request(model, messages) for messages in prompts]
        results = await asyncio.gather(*(self._send(asking, one) for one in requests))
        examples, plain = (_margin(one) for one in results)
        return None if examples is None or plain is None else (examples, plain)

    async def _send(self, asking: AskingCall, request: ParsedRequest) -> CallResult:
        """Send one chat."""
        principal = asking.principal
        # A key that may not call the base may have it asked, for a row that costs nothing.
        prices = principal.model_prices.get(request.model.id) or model_prices_of(
            principal, asking.request
        )
        waived = WaivedCall(asking.linked, principal, prices, CHAT, request)
        return await self._sender.send(waived, _TIMEOUT_S)


def _margin(result: CallResult) -> float | None:
    """Return the log-odds of a reply; None if the chat failed."""
    return None if result.error_code else read_margin(result.tail)
