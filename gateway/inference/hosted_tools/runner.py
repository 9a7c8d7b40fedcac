"""Answer a chat by a language model and specialists together.

    read the text -> hold quota for all steps -> admit the parent -> run the steps -> answer

Each step is a linked call with its own intent, reservation, usage row and price. The parent, the
client's call, consumes nothing itself: what it costs is the sum of its steps. The loop itself is in
gateway/collaboration; here its steps are sent, and its answer is put into the client's format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from billing.rating.quantities import NO_USAGE
from billing.tables import Settlement
from gateway.call.errors import (
    InsufficientQuota,
    ParameterInvalid,
    RateLimited,
    render_error_event,
)
from gateway.call.failure import failed_result
from gateway.call.hosted_tools import HostedTools
from gateway.call.tags import VARIANT_TAG
from gateway.call.values import CallResult, ParsedRequest, Principal
from gateway.collaboration.conversation import MAX_RESULT_BYTES
from gateway.collaboration.decisions import Decision
from gateway.collaboration.loop import Conversation, Outcome
from gateway.collaboration.plan import direct_tools, tool_to_ask_for
from gateway.collaboration.tools import SpecialistTool
from gateway.inference.admission import parse_max_cost
from gateway.inference.call_metrics import CallMetrics
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.grounding import KeepAlive
from gateway.inference.hosted_tools.finding import ReadQuestion, SpecialistTools
from gateway.inference.hosted_tools.steps import (
    ConversationSteps,
    HostedCall,
    StepSender,
    definitions,
)
from gateway.inference.linked_calls import LinkedCalls
from gateway.inference.relay import EVENT_STREAM
from gateway.wire.generation import JSON_HEADERS
from gateway.wire.hosted_tools.answer import AnswerHead, encode_answer, encode_stream
from gateway.wire.hosted_tools.steps import client_functions, step_request
from gateway.wire.inference import PredictionRequest, build_prediction_request
from gateway.wire.sse import DONE
from infra.clock import Clock
from infra.errors import AppError

# Upper bound of the tokens that a result adds to the prompt, with its call.
_RESULT_TOKENS = MAX_RESULT_BYTES
_MAX_EVENT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class HostedResult:
    """The result of a chat with hosted tools, and the decisions that its answer reports."""

    result: CallResult
    decisions: tuple[Decision, ...] = ()


class HostedToolRunner:
    """Runs chats with hosted tools, for one gateway process. `timeout_s` bounds each of them."""

    def __init__(
        self,
        tools: SpecialistTools,
        sender: StepSender,
        call_metrics: CallMetrics,
        clock: Clock,
        timeout_s: float,
        write_timeout_s: float,
    ) -> None:
        self._tools = tools
        self._sender = sender
        self._call_metrics = call_metrics
        self._clock = clock
        self._timeout_s = timeout_s
        self._write_timeout_s = write_timeout_s

    async def read(self, principal: Principal, request: ParsedRequest) -> ReadQuestion | None:
        """Return the question with its tools and what it states.

        None if a specialist that the gateway offers by itself has nothing to work on. Raises the
        errors of models that the request names, and ParameterInvalid if there is none to call.
        """
        hosted = request.hosted_tools or HostedTools()
        read = await self._tools.read(principal, request, hosted)
        if not hosted.is_requested:
            return read if read.question.has_readings else None
        if not read.question.tools:
            raise ParameterInvalid(
                "There is no specialist that this API key may call now.", param="tools"
            )
        return read

    async def hold(
        self,
        linked: LinkedCalls,
        principal: Principal,
        request: ParsedRequest,
        read: ReadQuestion,
        headers: Mapping[bytes, bytes],
    ) -> None:
        """Hold quota for all steps, as many as limits and X-Max-Cost allow.

        Raises the errors of admission if not even one specialist and one answer are affordable.
        """
        question, hosted = read.question, request.hosted_tools or HostedTools()
        direct = direct_tools(question, hosted.max_calls)
        if not direct and not client_functions(request) and tool_to_ask_for(question) is not None:
            return  # inputs are asked for, and nothing is called
        text = step_request(request, (), definitions(question.tools, request))
        rows = {tool.model: len(question.extractions[tool.model].rows) for tool in question.tools}
        specialists = [
            _row_request(read, tool, rows[tool.model]) for tool in (direct or question.tools)
        ]
        specialists.sort(key=lambda one: _row_price(principal, one), reverse=True)
        calls = len(direct) or hosted.max_calls
        max_cost = parse_max_cost(headers)
        for number in range(calls):
            specialist = specialists[number] if direct else specialists[0]
            try:
                await linked.hold(principal, PREDICTIONS, specialist)
                if number == 0 or not direct:
                    tokens = _RESULT_TOKENS * (calls if direct else number + 1)
                    await linked.hold(principal, CHAT, text, tokens)
                if number == 0 and not direct:
                    await linked.hold(principal, CHAT, text)
            except (InsufficientQuota, RateLimited):
                if number == 0:
                    raise
                return
            if max_cost is not None and linked.max_cost_nano > max_cost and number > 0:
                linked.release_last()
                return

    async def run(self, hosted: HostedCall) -> HostedResult:
        """Run the steps and return the result of the client's call.

        A stream gets comments meanwhile. Raises an AppError only if nothing was sent to the client,
        and ClientDisconnected.
        """
        if not hosted.request.stream:
            outcome, steps = await self._converse(hosted)
            head = self._head(hosted, steps)
            result = _result(Settlement.COMPLETE, encode_answer(head, outcome), JSON_HEADERS)
            return HostedResult(result, outcome.decisions)
        async with hosted.client.deadline(self._write_timeout_s):
            await hosted.client.start(200, EVENT_STREAM)
        first_chunk = self._clock.monotonic()
        try:
            async with KeepAlive(hosted.client, True):
                outcome, steps = await self._converse(hosted)
        except AppError as error:
            event = render_error_event(error)
            return HostedResult(failed_result(hosted.call, error, True, event))
        events, usage_event = encode_stream(self._head(hosted, steps), outcome)
        async with hosted.client.deadline(self._write_timeout_s):
            await hosted.client.write(events)
        result = replace(
            _result(Settlement.COMPLETE, DONE, EVENT_STREAM),
            stream_started=True,
            first_chunk_monotonic=first_chunk,
            usage_event=usage_event if _wants_usage(hosted.request) else None,
        )
        return HostedResult(result, outcome.decisions)

    async def _converse(self, hosted: HostedCall) -> tuple[Outcome, ConversationSteps]:
        """Run the conversation; counts its ending and its decisions."""
        steps = ConversationSteps(self._sender, hosted, self._clock.monotonic() + self._timeout_s)
        functions = frozenset(
            str(one.get("function", {}).get("name")) for one in client_functions(hosted.request)
        )
        conversation = Conversation(hosted.read.question, steps, hosted.hosted.max_calls, functions)
        outcome = await conversation.run()
        self._call_metrics.record_hosted_answer(hosted.request.model.id, outcome.ending.value)
        for decision in outcome.decisions:
            verdict = "failed" if decision.prediction.error else decision.verdict.value
            self._call_metrics.record_decision(_metric_model(hosted, decision), verdict)
        return outcome, steps

    def _head(self, hosted: HostedCall, steps: ConversationSteps) -> AnswerHead:
        """Return what the answer says of itself: id, model, tokens and cost of all steps."""
        request = hosted.request
        name = (request.tags or {}).get(VARIANT_TAG, request.model.id)
        return AnswerHead(
            request_id=hosted.call.request_id,
            created=hosted.call.started_at,
            model=name,
            currency=hosted.admitted.principal.currency,
            tokens=steps.tokens,
            cost_nano=steps.cost_nano,
        )


def _row_request(read: ReadQuestion, tool: SpecialistTool, rows: int) -> ParsedRequest:
    """Return a request for rows of a specialist, which suffices to price it."""
    body = PredictionRequest(model=tool.model, instances=[{"": 0.0}] * rows)
    return build_prediction_request(body, read.resolved[tool.model], "")


def _row_price(principal: Principal, request: ParsedRequest) -> int:
    """Return the price of a specialist's row or image, in nano-units."""
    prices = principal.model_prices[request.model.id].prices
    return max((prices.get(name, 0) for name in ("rows", "images")), default=0)


def _metric_model(hosted: HostedCall, decision: Decision) -> str:
    """Return the catalog model of a decision: names of accounts' own models are no labels."""
    return hosted.read.resolved[decision.tool.model].model.id


def _wants_usage(request: ParsedRequest) -> bool:
    """Return whether the client asked for the usage at the end of a stream."""
    if request.stream_reader is None:
        return False
    reader = request.stream_reader(_MAX_EVENT_BYTES, None)
    reader.feed(b'data: {"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}\n\n')
    return reader.usage_event is not None


def _result(settlement: Settlement, tail: bytes, headers: Mapping[str, str]) -> CallResult:
    """Return the result of the parent call, which consumed nothing itself."""
    return CallResult(settlement, 200, tail, headers, quantities=NO_USAGE)
