"""Guard a call: check its texts before it is parsed, and its answer before the client gets it.

The answer is checked last, after its verification, corrections and hosted tools, and before it is
converted into another format than chat. Nothing of a text is logged.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from prometheus_client import Counter

from gateway.asgi.exchange import ClientExchange
from gateway.call.values import Call, CallResult, ParsedRequest, Principal
from gateway.inference.endpoints.endpoint import UsageGroup
from gateway.inference.endpoints.table import find_endpoint
from gateway.inference.guards.model_call import ModelChecks, ModelGuardedCall
from gateway.inference.guards.models import GuardModels
from gateway.inference.guards.wrapped_call import WrappedCall
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.translation import TranslatedCall
from gateway.wire.guards.answer import CONTENT_FILTER, check_answer
from gateway.wire.guards.request import check_body, texts_of
from gateway.wire.guards.stream import GuardedStream
from gateway.wire.guards.texts import TextRefused
from infra.clock import Clock
from models.guards.guard import Guard, TextGuard
from models.guards.policy import Action, Direction

# Response header of a call whose input was changed.
GUARD_HEADER, MASKED = "x-maas-guard", "input-masked"
# The checks of a larger body would keep other calls waiting.
_MAX_INLINE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class GuardedRequest:
    """A call of an account with a guard; questions to models become calls in `linked`."""

    call: Call
    principal: Principal
    client: ClientExchange
    linked: LinkedCalls

    @property
    def guard(self) -> Guard:
        """The account's guard. Raises ValueError without one."""
        if self.principal.guard is None:
            raise ValueError("the account has no guard")
        return self.principal.guard


@dataclass(frozen=True, slots=True)
class GuardStage:
    """Applies the guards of accounts and counts what they do."""

    actions: Counter
    models: GuardModels
    clock: Clock

    async def open(
        self, guarded: GuardedRequest, body: bytes, translated: TranslatedCall | None
    ) -> tuple[bytes, TranslatedCall | None]:
        """Return the body to parse, and what checks the answer before `translated` converts it.

        Raises ContentFiltered if a rule refuses the body, and BodyNotJson, ParameterUnsupported.
        """
        guard, endpoint = guarded.guard, find_endpoint(guarded.call.operation)
        has_text = endpoint.usage_group is UsageGroup.COMPLETIONS
        if endpoint.guarded_fields and guard.input is not None:
            body = await self._check_body(guarded, guard.input, body, endpoint.guarded_fields)
        if endpoint.guarded_fields and guard.asks_models:
            rules = guard.input_models, guard.output_models if has_text else ()
            checks = ModelChecks(self.models, guarded.linked, guarded.principal, *rules)
            texts = texts_of(body, endpoint.guarded_fields)
            translated = ModelGuardedCall(checks, body, texts, translated, self.clock)
        if guard.output is None or not has_text:
            return body, translated
        checker = _TextChecker(guard.output, Direction.OUTPUT, self.actions)
        return body, GuardedCall(checker, body, translated, guarded.client)

    async def _check_body(
        self, guarded: GuardedRequest, guard: TextGuard, body: bytes, fields: Sequence[str]
    ) -> bytes:
        """Return the body with its texts checked by rules. Raises as `open`."""
        checker = _TextChecker(guard, Direction.INPUT, self.actions)
        if len(body) <= _MAX_INLINE_BYTES:
            body = check_body(body, fields, checker)
        else:
            body = await asyncio.to_thread(check_body, body, fields, checker)
        if checker.has_masked:
            guarded.client.extra_headers[GUARD_HEADER] = MASKED
        return body


class _TextChecker:
    """Checks the texts of one call in one direction."""

    def __init__(self, guard: TextGuard, direction: Direction, actions: Counter) -> None:
        self._guard, self._direction, self._actions = guard, direction, actions
        self.has_masked = False

    def __call__(self, text: str) -> str:
        """Return the text that may be passed on. Raises TextRefused."""
        verdict = self._guard.check(text)
        if verdict.refused_by is not None:
            self._count(verdict.refused_by, Action.REFUSE)
            raise TextRefused(verdict.refused_by)
        for kind in verdict.masked_by:
            self._count(kind, Action.MASK)
            self.has_masked = True
        return verdict.text

    def _count(self, kind: str, action: Action) -> None:
        """Count an action of a rule."""
        self._actions.labels(str(kind), action.value, self._direction.value).inc()


class GuardedCall(WrappedCall):
    """A call whose answer is checked; `inner` converts it then, None if it stays a chat."""

    def __init__(
        self,
        check: Callable[[str], str],
        chat_body: bytes,
        inner: TranslatedCall | None,
        client: ClientExchange,
    ) -> None:
        super().__init__(chat_body, inner)
        self._check = check
        self._client = client
        self._stream: GuardedStream | None = None
        self._rest = b""

    async def defer(self, request: ParsedRequest, client: ClientExchange) -> CallResult | None:
        """Prepare for the answer of a request; see TranslatedCall."""
        deferred = await super().defer(request, client)
        if deferred is None and request.stream:
            self._stream = GuardedStream(self._check, request.output_bounds.choices)
            self._client.is_futile = self._is_futile
        return deferred

    def translate(self, events: bytes) -> bytes:
        """Check and convert complete events of the chat's stream. Raises UpstreamFailed."""
        return super().translate(events if self._stream is None else self._stream.feed(events))

    async def convert(self, result: CallResult) -> CallResult:
        """Check and convert an answer that is not streamed; end the checks of a stream."""
        if result.stream_started:
            result = self._end_stream(result)
        elif result.status == 200:
            body, is_refused = check_answer(result.tail, self._check)
            result = replace(result, tail=body)
            if is_refused:
                result = replace(result, error_code=CONTENT_FILTER)
        return await super().convert(result)

    def end(self, result: CallResult, tail: bytes) -> bytes:
        """Return the end of a started stream with the text that was held back until now."""
        rest, self._rest = self._rest, b""
        return rest + super().end(result, tail)

    def _is_futile(self) -> bool:
        """Whether all choices of the stream were refused."""
        return self._stream is not None and self._stream.is_futile

    def _end_stream(self, result: CallResult) -> CallResult:
        """Check the text that is held back, and note whether a choice was refused."""
        if self._stream is None:
            return result
        self._rest = super().translate(self._stream.end())
        is_refused = self._stream.has_refused
        return replace(result, error_code=CONTENT_FILTER) if is_refused else result
