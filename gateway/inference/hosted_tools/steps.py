"""The steps of a conversation, as requests: generations, predictions, questions to helpers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import msgspec

from billing.metering.usage import REQUEST_ID_PREFIX, UsageRecord
from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.call.errors import UpstreamFailed, UpstreamTimeout
from gateway.call.grounding import Citations
from gateway.call.tags import VARIANT_TAG, VERSION_TAG
from gateway.call.values import ParsedRequest
from gateway.collaboration.conversation import Reply
from gateway.collaboration.decisions import Prediction
from gateway.collaboration.helpers import Consultation, Helper, HelperKind
from gateway.collaboration.loop import FunctionTool
from gateway.collaboration.tools import SpecialistTool
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.hosted_tools.consulting import Consultant
from gateway.inference.hosted_tools.sending import HostedCall, StepSender
from gateway.wire.hosted_tools.steps import client_functions, read_reply, step_request
from gateway.wire.inference import PredictionRequest, build_prediction_request
from gateway.wire.usage import token_counts
from infra import ids
from infra.errors import AppError
from models.arguments import Row


class _Predictions(msgspec.Struct):
    predictions: list[dict[str, Any]]


_PREDICTIONS = msgspec.json.Decoder(_Predictions)


@dataclass(slots=True)
class ConversationSteps:
    """The steps of one conversation (gateway/collaboration/loop.py), sent to model servers."""

    _sender: StepSender
    _hosted: HostedCall
    _consultant: Consultant
    _deadline: float
    tokens: Quantities = field(default_factory=lambda: Quantities(input_tokens=0, output_tokens=0))

    @property
    def citations(self) -> Citations | None:
        """The passages of the conversation, with those that were found in it; None without."""
        return self._consultant.citations

    @property
    def can_go_on(self) -> bool:
        """Whether the deadline allows a further step."""
        return self._sender.clock.monotonic() < self._deadline

    @property
    def texts_left(self) -> int:
        """How many steps of the language model are still held."""
        return self._hosted.linked.held_count(is_text=True)

    async def generate(
        self, added: Sequence[Mapping[str, Any]], tools: Sequence[FunctionTool], waived: bool
    ) -> Reply:
        """Ask the language model. Raises an AppError and ClientDisconnected."""
        self._require_time()
        hosted = self._hosted
        functions = definitions(tools, hosted.request) if tools else []
        request = step_request(hosted.request, added, functions)
        result, record = await self._sender.send(hosted, CHAT, request, waived, is_text=True)
        if result.error is not None:
            raise result.error
        if result.settlement is not Settlement.COMPLETE:
            raise UpstreamFailed("The model gave no answer.")
        self._count(record)
        reply = read_reply(result.tail)
        if hosted.hosted.parallel_calls:
            return reply
        return replace(reply, calls=reply.calls[:1])  # engines may not know the parameter

    async def predict(self, tool: SpecialistTool, rows: tuple[Row, ...]) -> Prediction:
        """Call a specialist; an error that it ends with is in the prediction."""
        request_id = ids.new_id()
        try:
            self._require_time()
            request = self._prediction_request(tool, rows, request_id)
            result, record = await self._sender.send(self._hosted, PREDICTIONS, request)
        except AppError as error:
            return Prediction(request_id, error=error.message, error_code=error.code)
        self._count(record)
        request_id = request_id if record is None else record.request_id
        if result.error is not None:
            return Prediction(request_id, error=result.error.message, error_code=result.error.code)
        cost = 0 if record is None else record.cost_nano
        try:
            predictions = _PREDICTIONS.decode(result.tail).predictions
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            message = "The model's response could not be parsed."
            return Prediction(request_id, (), message, UpstreamFailed.code, cost)
        return Prediction(request_id, tuple(predictions), cost_nano=cost)

    async def consult(self, helper: Helper, asked: str) -> Consultation:
        """Ask a helper; an error that it ends with is in the consultation."""
        try:
            self._require_time()
            if helper.kind is HelperKind.SEARCH:
                seconds = self._deadline - self._sender.clock.monotonic()
                return await self._consultant.search(helper, asked, seconds)
            consultation, record = await self._consultant.ask(helper, asked)
        except AppError as error:
            return Consultation(helper, asked, error=error.message, error_code=error.code)
        self._count(record)
        return consultation

    def _prediction_request(
        self, tool: SpecialistTool, rows: tuple[Row, ...], request_id: UUID
    ) -> ParsedRequest:
        """Return the request of a specialist's call, tagged like one of the client's."""
        resolved = self._hosted.read.resolved[tool.model]
        instances: list[dict[str, Any]] = [
            {name: _instance_value(one.value) for name, one in row.items()} for row in rows
        ]
        body = PredictionRequest(model=tool.model, instances=instances)
        public_id = ids.format_id(REQUEST_ID_PREFIX, request_id)
        request = build_prediction_request(body, resolved, public_id)
        client_tags = {
            name: value
            for name, value in (self._hosted.request.tags or {}).items()
            if name not in (VARIANT_TAG, VERSION_TAG)
        }
        own_tags: dict[str, str] = {}
        if resolved.public_name in self._hosted.admitted.principal.variants:
            own_tags[VARIANT_TAG] = resolved.public_name
            if resolved.version is not None:
                own_tags[VERSION_TAG] = str(resolved.version)
        return replace(request, tags={**client_tags, **own_tags} or None)

    def _require_time(self) -> None:
        """Raise UpstreamTimeout after the deadline of the whole conversation."""
        if not self.can_go_on:
            raise UpstreamTimeout("The conversation took too long.")

    def _count(self, record: UsageRecord | None) -> None:
        """Add a step's tokens."""
        if record is not None:
            self.tokens += token_counts(record.quantities)


def definitions(tools: Sequence[FunctionTool], request: ParsedRequest) -> list[Mapping[str, Any]]:
    """Return the function definitions of the tools and of the client's own functions."""
    return [*(tool.definition() for tool in tools), *client_functions(request)]


def _instance_value(value: float | str | tuple[float, ...]) -> Any:
    """Return a reading's value as a value of an instance."""
    return list(value) if isinstance(value, tuple) else value
