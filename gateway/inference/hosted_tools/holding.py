"""Hold quota for all steps of a conversation before anything is sent."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.asgi.exchange import ClientExchange
from gateway.call.errors import InsufficientQuota, RateLimited
from gateway.call.hosted_tools import HostedTools
from gateway.call.values import AdmittedCall, Call, ParsedRequest, Principal
from gateway.collaboration.conversation import MAX_RESULT_BYTES
from gateway.collaboration.plan import direct_tools, tool_to_ask_for
from gateway.collaboration.tools import SpecialistTool
from gateway.inference.admission import parse_max_cost
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.hosted_tools.finding import ReadQuestion
from gateway.inference.hosted_tools.steps import definitions
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.wire.hosted_tools.steps import client_functions, step_request
from gateway.wire.inference import PredictionRequest, build_prediction_request
from infra.telemetry.tracing import Trace

# Upper bound of the tokens that a call and its result add to the prompt.
ADDED_TOKENS = 2 * MAX_RESULT_BYTES

Admit = Callable[[ParsedRequest], Awaitable[AdmittedCall]]
"""Admits the client's call, as the parent of its steps."""


@dataclass(frozen=True, slots=True)
class HostedRequest:
    """A chat with hosted tools, before it is read and admitted; `body` is that of the chat."""

    call: Call
    body: bytes
    principal: Principal
    request: ParsedRequest
    client: ClientExchange
    linked: LinkedCalls
    trace: Trace


async def hold_steps(asked: HostedRequest, read: ReadQuestion, hosted: HostedTools) -> None:
    """Hold quota for all steps, as many as limits and X-Max-Cost allow.

    Holds nothing if the client will be asked for inputs. Raises the errors of admission if not even
    one specialist and one answer are affordable.
    """
    question, request = read.question, asked.request
    direct = direct_tools(question, hosted.max_calls)
    is_alone = not client_functions(request) and request.retrieval is None
    if not direct and is_alone and tool_to_ask_for(question) is not None:
        return
    specialists = [_row_request(read, tool) for tool in (direct or question.tools)]
    specialists.sort(key=lambda one: _row_price(asked.principal, one), reverse=True)
    max_cost, linked = parse_max_cost(asked.call.headers), asked.linked
    for number in range(len(direct) or hosted.max_calls):
        held = linked.held_count()
        try:
            await _hold_one(asked, read, specialists[number if direct else 0], number, len(direct))
        except (InsufficientQuota, RateLimited):
            if number == 0:
                raise
            linked.release_held(held)
            return
        if number > 0 and max_cost is not None and linked.max_cost_nano > max_cost:
            linked.release_held(held)
            return


async def _hold_one(
    asked: HostedRequest, read: ReadQuestion, specialist: ParsedRequest, number: int, direct: int
) -> None:
    """Hold one call of a specialist, and the language model's steps that it needs.

    Called directly, all specialists (`direct` of them) lead to one answer. Otherwise the language
    model chooses first, and answers or chooses again after each call.
    """
    principal, request, linked = asked.principal, asked.request, asked.linked
    await linked.hold(principal, PREDICTIONS, specialist)
    if direct:
        if number == 0:
            answer = step_request(request, (), ())
            await linked.hold(principal, CHAT, answer, ADDED_TOKENS * direct)
        return
    choice = step_request(request, (), definitions(read.question.tools, request))
    if number == 0:
        await linked.hold(principal, CHAT, choice)
    await linked.hold(principal, CHAT, choice, ADDED_TOKENS * (number + 1))


def _row_request(read: ReadQuestion, tool: SpecialistTool) -> ParsedRequest:
    """Return a request for as many rows of a specialist as the text has, to price it."""
    rows = len(read.question.extractions[tool.model].rows)
    body = PredictionRequest(model=tool.model, instances=[{"": 0.0}] * rows)
    return build_prediction_request(body, read.resolved[tool.model], "")


def _row_price(principal: Principal, request: ParsedRequest) -> int:
    """Return the price of a specialist's row or image, in nano-units."""
    prices = principal.model_prices[request.model.id].prices
    return max((prices.get(name, 0) for name in ("rows", "images")), default=0)
