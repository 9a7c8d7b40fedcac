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
class PlannedStep:
    """The calls that one step may make, each the dearest that it may be.

    `is_text` is set for a step of the chat's own language model.
    """

    calls: Sequence[HeldCall]
    is_text: bool = False


Round = Sequence[PlannedStep]
"""A call of a specialist or helper with the steps of the language model that it needs."""


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
    principal, linked = asked.principal, asked.linked
    max_cost = parse_max_cost(asked.call.headers)
    price = partial(linked.highest_cost, principal)
    planned = plan_steps(principal, asked.request, read, hosted, searches, price)
    for number, steps in enumerate(planned):
        held = linked.held_count()
        try:
            for step in steps:
                await linked.hold(principal, step.calls, step.is_text)
        except (InsufficientQuota, RateLimited):
            if number == 0:
                raise
            linked.release_held(held)
            return
        if number > 0 and max_cost is not None and linked.max_cost_nano > max_cost:
            linked.release_held(held)
            return


def plan_steps(
    principal: Principal,
    request: ParsedRequest,
    read: ReadQuestion,
    hosted: HostedTools,
    searches: Sequence[ParsedRequest],
    price: Callable[[_Calls], int],
) -> list[Round]:
    """Return what a conversation may do at most: the recognised specialists, or the dearest calls.

    The first round is needed for an answer. Empty if the client will be asked for inputs. `price`
    returns what calls cost at most.
    """
    question = read.question
    direct = direct_tools(question, hosted.max_calls)
    if direct:
        return _direct_rounds(request, [_row_call(read, tool) for tool in direct])
    may_ask = not client_functions(request) and request.retrieval is None and not read.helpers
    if may_ask and tool_to_ask_for(question) is not None:
        return []
    options: list[_Calls] = [(_row_call(read, tool),) for tool in question.tools]
    options += helper_calls(principal, read, searches, request)
    functions = definitions((*question.tools, *read.helpers), request)
    choice = HeldCall(CHAT, step_request(request, (), functions))
    return _chosen_rounds(choice, max(options, key=price), hosted.max_calls)


def _direct_rounds(request: ParsedRequest, called: Sequence[HeldCall]) -> list[Round]:
    """Return the rounds of specialists that are called directly: all lead to one answer."""
    answer = HeldCall(CHAT, step_request(request, (), ()), ADDED_TOKENS * len(called))
    first = [PlannedStep(called[:1]), PlannedStep([answer], is_text=True)]
    return [first, *([PlannedStep([one])] for one in called[1:])]


def _chosen_rounds(choice: HeldCall, called: _Calls, max_calls: int) -> list[Round]:
    """Return the rounds in which the language model chooses, calls, and answers or chooses again.

    called: the dearest call of a specialist or helper.
    """
    rounds: list[Round] = []
    for number in range(max_calls):
        before = [] if rounds else [PlannedStep([choice], is_text=True)]
        after = replace(choice, more_tokens=ADDED_TOKENS * (number + 1))
        rounds.append([PlannedStep(called), *before, PlannedStep([after], is_text=True)])
    return rounds


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


def _row_call(read: ReadQuestion, tool: SpecialistTool) -> HeldCall:
    """Return a call for as many rows of a specialist as the text has, to price it."""
    rows = len(read.question.extractions[tool.model].rows)
    body = PredictionRequest(model=tool.model, instances=[{"": 0.0}] * rows)
    return HeldCall(PREDICTIONS, build_prediction_request(body, read.resolved[tool.model], ""))
