"""Answer a chat by a language model and specialists together.

    read the text -> hold quota for all steps -> admit the parent -> run the steps -> answer

Each step is a linked call with its own intent, reservation, usage row and price. The parent, the
client's call, consumes nothing itself: what it costs is the sum of its steps. The loop itself is in
gateway/collaboration; here its steps are sent, and its answer is put into the client's format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.asgi.exchange import ClientDisconnected
from gateway.call.asset_inputs import AssetVerdict
from gateway.call.errors import render_error_event
from gateway.call.failure import failed_result
from gateway.call.hosted_tools import MAX_SUBJECT, HostedTools
from gateway.call.tags import VARIANT_TAG
from gateway.call.values import CallResult, ParsedRequest
from gateway.collaboration.decisions import Decision
from gateway.collaboration.loop import Conversation, Outcome
from gateway.inference.call_metrics import CallMetrics
from gateway.inference.grounding import KeepAlive
from gateway.inference.hosted_tools.consulting import Consultant
from gateway.inference.hosted_tools.finding import SpecialistTools
from gateway.inference.hosted_tools.holding import Admit, HostedRequest, hold_steps
from gateway.inference.hosted_tools.passages import PassageFinder, cite
from gateway.inference.hosted_tools.plant_graph import GraphReply, PlantGraphTool
from gateway.inference.hosted_tools.pricing import HostedPricer
from gateway.inference.hosted_tools.sending import HostedCall, StepSender
from gateway.inference.hosted_tools.steps import ConversationSteps
from gateway.inference.model_selection import selection_headers
from gateway.inference.relay import CLIENT_CLOSED, EVENT_STREAM
from gateway.registry.decision_records import RecordContext
from gateway.wire.generation import JSON_HEADERS
from gateway.wire.hosted_tools.answer import (
    AnswerHead,
    CitedAnswer,
    encode_answer,
    encode_stream,
)
from gateway.wire.hosted_tools.steps import client_functions, without_usage
from gateway.wire.sse import DONE
from infra.clock import Clock
from infra.errors import AppError

_MAX_EVENT_BYTES = 1 << 20


# It is known that the parent consumed nothing, which differs from unknown usage.
_NOTHING = Quantities(input_tokens=0, output_tokens=0)


@dataclass(frozen=True, slots=True)
class HostedResult:
    """The result of a chat with hosted tools, the decisions that it reports, and their context.

    `verdicts` are the decisions about an asset of the plant model.
    """

    result: CallResult
    decisions: tuple[Decision, ...]
    context: RecordContext
    verdicts: tuple[AssetVerdict, ...] = ()


class HostedToolRunner:
    """Runs chats with hosted tools, for one gateway process. `timeout_s` bounds each of them."""

    def __init__(
        self,
        tools: SpecialistTools,
        plant_graph: PlantGraphTool,
        passages: PassageFinder,
        sender: StepSender,
        call_metrics: CallMetrics,
        clock: Clock,
        timeout_s: float,
        write_timeout_s: float,
    ) -> None:
        self._tools = tools
        self._plant_graph = plant_graph
        self._passages = passages
        self._sender = sender
        self._call_metrics = call_metrics
        self._clock = clock
        self._timeout_s = timeout_s
        self._write_timeout_s = write_timeout_s

    @property
    def pricer(self) -> HostedPricer:
        """What prices the chats of this runner."""
        return HostedPricer(self._tools, self._plant_graph, self._passages.grounder)

    async def answer(self, asked: HostedRequest, admit: Admit) -> HostedResult | None:
        """Answer a chat; None if a specialist that was offered has nothing to work on.

        `admit` admits the client's call, after quota for all its steps is held and before anything
        is sent. A stream gets comments while the steps run. The result is CLIENT_CLOSED, with the
        decisions so far, if the client left during the steps. Raises an AppError only if nothing
        was sent to the client, and ClientDisconnected before the steps.
        """
        request, client = asked.request, asked.client
        hosted = request.hosted_tools or HostedTools()
        if hosted.plant_graph:
            async with client.deadline(self._timeout_s):
                reply = await self._plant_graph.answer(asked, hosted, admit)
            if reply is not None:
                return await self._deliver(asked, reply)
            if not hosted.specialists:
                return None
        async with client.deadline(self._timeout_s):
            read = await self._tools.read(asked.principal, request, hosted)
            if not hosted.is_requested and not read.has_new_inputs:
                return None
            read.require_tools()
            searches = await self._passages.hold_search(asked)
            await hold_steps(asked, read, hosted, searches)
        if request.selection is not None:
            client.extra_headers.update(selection_headers(request.selection))
        admitted = await admit(without_usage(request))
        async with client.deadline(self._timeout_s):
            request = await self._passages.insert(asked)
        run = HostedCall(
            asked.call, admitted, request, hosted, read, client, asked.linked, asked.trace,
            searched=asked.request.retrieval,
        )  # fmt: skip
        try:
            result, decisions = await self._run(run)
        except ClientDisconnected:  # the steps are billed, so what they decided is recorded
            result, decisions = CLIENT_CLOSED, tuple(run.decisions)
        asset = read.asset
        only = None if asset is None else asset.linked.only
        context = RecordContext(
            asked.principal.account_id,
            asked.call.request_id,
            hosted.subject or (None if only is None else only.code[:MAX_SUBJECT]),
            read.question.texts[-1],
        )
        verdicts = () if asset is None else asset.verdicts(asked.principal, decisions)
        return HostedResult(result, decisions, context, verdicts)

    async def _deliver(self, asked: HostedRequest, reply: GraphReply) -> HostedResult:
        """Return the result of a chat that the plant graph answered; sends a stream's events."""
        client, request = asked.client, asked.request
        name = (request.tags or {}).get(VARIANT_TAG, request.model.id)
        currency = asked.principal.currency
        head = AnswerHead(
            asked.call.request_id, asked.call.started_at, name, currency, reply.tokens
        )
        self._call_metrics.record_hosted_answer(request.model.id, reply.outcome.origin.value)
        context = RecordContext(
            asked.principal.account_id, asked.call.request_id, None, reply.question
        )
        if not request.stream:
            body = encode_answer(head, reply.outcome, None, reply.fields)
            return HostedResult(_result(Settlement.COMPLETE, body, JSON_HEADERS), (), context)
        events, usage_event = encode_stream(head, reply.outcome, None, reply.fields)
        async with client.deadline(self._write_timeout_s):
            await client.start(200, EVENT_STREAM)
            await client.write(events)
        result = replace(
            _result(Settlement.COMPLETE, DONE, EVENT_STREAM),
            stream_started=True,
            first_chunk_monotonic=self._clock.monotonic(),
            usage_event=usage_event if _wants_usage(request) else None,
        )
        return HostedResult(result, (), context)

    async def _run(self, hosted: HostedCall) -> tuple[CallResult, tuple[Decision, ...]]:
        """Run the steps and return the result of the client's call, with the decisions."""
        if not hosted.request.stream:
            outcome, head, cited = await self._converse(hosted)
            body = encode_answer(head, outcome, cited)
            return _result(Settlement.COMPLETE, body, JSON_HEADERS), outcome.decisions
        async with hosted.client.deadline(self._write_timeout_s):
            await hosted.client.start(200, EVENT_STREAM)
        first_chunk = self._clock.monotonic()
        try:
            async with KeepAlive(hosted.client, True):
                outcome, head, cited = await self._converse(hosted)
        except AppError as error:
            event = render_error_event(error)
            return failed_result(hosted.call, error, True, event), ()
        events, usage_event = encode_stream(head, outcome, cited)
        async with hosted.client.deadline(self._write_timeout_s):
            await hosted.client.write(events)
        result = replace(
            _result(Settlement.COMPLETE, DONE, EVENT_STREAM),
            stream_started=True,
            first_chunk_monotonic=first_chunk,
            usage_event=usage_event if _wants_usage(hosted.request) else None,
        )
        return result, outcome.decisions

    async def _converse(self, hosted: HostedCall) -> tuple[Outcome, AnswerHead, CitedAnswer | None]:
        """Run the conversation; counts the origin of its answer and its decisions.

        Returns how it ended, what the answer says of itself, and its passages if it has any.
        """
        citations, deadline = hosted.request.citations, self._clock.monotonic() + self._timeout_s
        consultant = Consultant(self._sender, self._passages.grounder, hosted, citations)
        steps = ConversationSteps(self._sender, hosted, consultant, deadline)
        functions = frozenset(
            str(one.get("function", {}).get("name")) for one in client_functions(hosted.request)
        )
        max_calls = min(hosted.hosted.max_calls, hosted.linked.held_count(is_text=False))
        passages = () if citations is None else tuple(citations.texts)
        question, asset = hosted.read.question, hosted.read.asset
        readings = () if asset is None else tuple(asset.notes(question.language))
        conversation = Conversation(
            question, steps, max_calls, functions, passages, hosted.read.helpers, readings,
            hosted.hosted.must_call, hosted.decisions,
        )  # fmt: skip
        outcome = await conversation.run()
        self._call_metrics.record_hosted_answer(hosted.request.model.id, outcome.origin.value)
        for decision in outcome.decisions:
            verdict = "failed" if decision.prediction.error else decision.verdict.value
            self._call_metrics.record_decision(_metric_model(hosted, decision), verdict)
        for consulted in outcome.consulted:
            self._call_metrics.record_consultation(consulted.helper.kind.value, consulted.error)
        head = self._head(hosted, steps)
        cited: CitedAnswer | None = None
        if steps.citations is not None:
            outcome, cited = await cite(steps.citations, head, outcome)
        if asset is not None:
            outcome = asset.with_note(outcome, question.language)
        return outcome, head, cited

    def _head(self, hosted: HostedCall, steps: ConversationSteps) -> AnswerHead:
        """Return what the answer says of itself: id, model, and the tokens of all steps."""
        request = hosted.request
        name = (request.tags or {}).get(VARIANT_TAG, request.model.id)
        return AnswerHead(
            request_id=hosted.call.request_id,
            created=hosted.call.started_at,
            model=name,
            currency=hosted.admitted.principal.currency,
            tokens=steps.tokens,
            asset=None if hosted.read.asset is None else hosted.read.asset.to_json(),
        )


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
    return CallResult(settlement, 200, tail, headers, quantities=_NOTHING)
