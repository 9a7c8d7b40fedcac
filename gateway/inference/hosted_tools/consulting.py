"""Ask the helpers of a conversation: search its documents again, or ask another language model.

Each request that this takes is a linked call with its own intent, reservation, row and price.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import UUID

from billing.metering.usage import UsageRecord
from billing.tables import Settlement
from gateway.call.errors import InternalError, UpstreamFailed
from gateway.call.failure import failed_result
from gateway.call.grounding import Citations
from gateway.call.values import Call, ParsedRequest, Principal
from gateway.collaboration.helpers import Consultation, Helper
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.hosted_tools.helpers import question_request
from gateway.inference.hosted_tools.sending import HostedCall, StepSender
from gateway.inference.internal.calls import UpstreamWork
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.retrieval_port import Grounder
from gateway.inference.usage.writer import UsageWriter
from gateway.wire.hosted_tools.steps import read_reply
from infra.errors import AppError


@dataclass(slots=True)
class SearchCalls:
    """Executes the embedding calls of one search as steps (gateway/inference/internal/calls.py)."""

    linked: LinkedCalls
    writer: UsageWriter
    records: list[UsageRecord] = field(default_factory=list)

    def new_call(self, request_id: UUID, endpoint: Endpoint) -> Call:
        """Create a linked call that starts now."""
        return self.linked.new_call(request_id, endpoint)

    async def execute(
        self, call: Call, principal: Principal, request: ParsedRequest, work: UpstreamWork
    ) -> None:
        """Admit the call, run `work` and add its usage row. Raises the errors of both."""
        admitted = await self.linked.admit_more(call, principal, request)
        intent = self.writer.open_intent(partial(self.linked.build_intent, call, admitted))
        result = failed_result(call, InternalError("The search was stopped."))
        try:
            await self.writer.flush_intent(intent)
            result = await work(admitted)
        except AppError as error:
            result = failed_result(call, error)
            raise
        finally:
            self.records.append(self.linked.add_step(call, admitted, result, intent))


@dataclass(slots=True)
class Consultant:
    """Asks the helpers of one conversation; `citations` grow with what searches find."""

    sender: StepSender
    grounder: Grounder
    hosted: HostedCall
    citations: Citations | None

    async def search(self, helper: Helper, query: str, seconds: float) -> Consultation:
        """Search the documents of the request. An error is a part of the consultation.

        Raises ClientDisconnected.
        """
        hosted, retrieval = self.hosted, self.hosted.searched
        if retrieval is None or self.citations is None:
            return Consultation(helper, query, error="There is nothing to search.")
        calls = SearchCalls(hosted.linked, self.sender.writer)
        hosted.linked.release_step(is_text=False)
        principal, tags = hosted.admitted.principal, hosted.request.tags
        again = replace(retrieval, query=query)
        try:
            async with hosted.client.deadline(seconds):
                with hosted.trace.stage("search"):
                    found = await self.grounder.search_more(
                        principal, again, tags, self.citations, calls
                    )
        except AppError as error:
            failed = Consultation(helper, query, error=error.message, error_code=error.code)
            return _with_records(failed, calls.records)
        self.citations = found.citations
        return _with_records(Consultation(helper, query, passages=found.passages), calls.records)

    async def ask(self, helper: Helper, question: str) -> tuple[Consultation, UsageRecord | None]:
        """Ask another language model; returns its answer or error, and its usage row.

        Raises ClientDisconnected, and the errors of admission.
        """
        hosted = self.hosted
        asked = next(one for one in hosted.read.models if one.helper == helper)
        principal = hosted.admitted.principal
        request = question_request(asked, question, hosted.request.tags, principal)
        result, record = await self.sender.send(hosted, CHAT, request)
        consultation = _with_records(
            Consultation(helper, question), [] if record is None else [record]
        )
        error = result.error
        if error is None and result.settlement is Settlement.COMPLETE:
            try:
                return replace(consultation, answer=read_reply(result.tail).text), record
            except AppError as unreadable:
                error = unreadable
        error = error or UpstreamFailed("The model gave no answer.")
        return replace(consultation, error=error.message, error_code=error.code), record


def _with_records(consultation: Consultation, records: Sequence[UsageRecord]) -> Consultation:
    """Return a consultation with the ids and the cost of its calls."""
    cost = sum(record.cost_nano for record in records)
    request_ids = tuple(record.request_id for record in records)
    return replace(consultation, request_ids=request_ids, cost_nano=cost)
