"""Hold quota for all steps of a conversation before anything is sent."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gateway.asgi.exchange import ClientExchange
from gateway.call.errors import InsufficientQuota, RateLimited
from gateway.call.hosted_tools import HostedTools
from gateway.call.values import AdmittedCall, Call, ParsedRequest, Principal
from gateway.collaboration.conversation import MAX_RESULT_BYTES
from gateway.collaboration.helpers import MAX_ASKED_BYTES
from gateway.collaboration.plan import direct_tools, tool_to_ask_for
from gateway.collaboration.tools import SpecialistTool
from gateway.inference.admission import parse_max_cost
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.embeddings import EMBEDDINGS
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.hosted_tools.finding import ReadQuestion
from gateway.inference.hosted_tools.helpers import question_request
from gateway.inference.hosted_tools.steps import definitions
from gateway.inference.internal.linked_calls import HeldCall, LinkedCalls
from gateway.wire.hosted_tools.steps import client_functions, step_request
from gateway.wire.inference import PredictionRequest, build_prediction_request
from infra.telemetry.tracing import Trace

# Upper bound of the tokens that a call and its result add to the prompt.
ADDED_TOKENS = 2 * MAX_RESULT_BYTES
_Calls = Sequence[HeldCall]

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


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What the steps of a conversation may be at most.

    `called` are the calls of specialists and helpers in their order, each the dearest that it may
    be. With `is_direct`, all of them lead to one answer.
    """

    called: Sequence[_Calls]
    is_direct: bool


async def hold_steps(
    asked: HostedRequest,
    read: ReadQuestion,
    hosted: HostedTools,
    searches: Sequence[ParsedRequest] = (),
) -> None:
    """Hold quota for all steps, as many as limits and X-Max-Cost allow.

    `searches` are the embedding calls of one search. Holds nothing if the client will be asked for
    inputs. Raises the errors of admission if not even one call and one answer are affordable.
    """
    plan = _plan(asked, read, hosted, searches)
    max_cost, linked = parse_max_cost(asked.call.headers), asked.linked
    for number, called in enumerate(plan.called):
        held = linked.held_count()
        try:
            await _hold_one(asked, read, called, number, len(plan.called) if plan.is_direct else 0)
        except (InsufficientQuota, RateLimited):
            if number == 0:
                raise
            linked.release_held(held)
            return
        if number > 0 and max_cost is not None and linked.max_cost_nano > max_cost:
            linked.release_held(held)
            return


def _plan(
    asked: HostedRequest,
    read: ReadQuestion,
    hosted: HostedTools,
    searches: Sequence[ParsedRequest],
) -> StepPlan:
    """Return what may be called: the recognised specialists, or whatever is dearest each time."""
    question, request = read.question, asked.request
    direct = direct_tools(question, hosted.max_calls)
    if direct:
        return StepPlan([(_row_call(read, tool),) for tool in direct], True)
    may_ask = not client_functions(request) and request.retrieval is None and not read.helpers
    if may_ask and tool_to_ask_for(question) is not None:
        return StepPlan((), False)
    options: list[_Calls] = [(_row_call(read, tool),) for tool in question.tools]
    options += helper_calls(asked.principal, read, searches, request)
    price = partial(asked.linked.highest_cost, asked.principal)
    return StepPlan([max(options, key=price)] * hosted.max_calls, False)


def helper_calls(
    principal: Principal,
    read: ReadQuestion,
    searches: Sequence[ParsedRequest],
    request: ParsedRequest,
) -> list[_Calls]:
    """Return the calls that each helper makes for a question of the most bytes."""
    found: list[_Calls] = []
    for one in read.models:
        least = question_request(one, "", request.tags, principal)
        found.append((HeldCall(CHAT, least, MAX_ASKED_BYTES),))
    if read.can_search and searches:
        found.append([HeldCall(EMBEDDINGS, one, MAX_ASKED_BYTES) for one in searches])
    return found


async def _hold_one(
    asked: HostedRequest, read: ReadQuestion, called: _Calls, number: int, direct: int
) -> None:
    """Hold one call of a specialist or helper, and the language model's steps that it needs.

    Called directly, all specialists (`direct` of them) lead to one answer. Otherwise the language
    model chooses first, and answers or chooses again after each call.
    """
    principal, request, linked = asked.principal, asked.request, asked.linked
    await linked.hold(principal, called)
    if direct:
        if number == 0:
            answer = HeldCall(CHAT, step_request(request, (), ()), ADDED_TOKENS * direct)
            await linked.hold(principal, [answer], is_text=True)
        return
    functions = definitions((*read.question.tools, *read.helpers), request)
    choice = HeldCall(CHAT, step_request(request, (), functions))
    if number == 0:
        await linked.hold(principal, [choice], is_text=True)
    after = replace(choice, more_tokens=ADDED_TOKENS * (number + 1))
    await linked.hold(principal, [after], is_text=True)


def _row_call(read: ReadQuestion, tool: SpecialistTool) -> HeldCall:
    """Return a call for as many rows of a specialist as the text has, to price it."""
    rows = len(read.question.extractions[tool.model].rows)
    body = PredictionRequest(model=tool.model, instances=[{"": 0.0}] * rows)
    return HeldCall(PREDICTIONS, build_prediction_request(body, read.resolved[tool.model], ""))
