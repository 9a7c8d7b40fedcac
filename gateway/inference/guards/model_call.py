"""A call whose texts guard models are asked about: before it is admitted, and when it is answered.

A stream is held back until its answer has been checked as a whole.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from billing.tables import Settlement
from gateway.asgi.exchange import ClientExchange
from gateway.call.errors import ContentFiltered
from gateway.call.values import CallResult, ParsedRequest, Principal
from gateway.inference.guards.models import GuardModels
from gateway.inference.guards.wrapped_call import WrappedCall
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.relay import KEEP_ALIVE, KEEP_ALIVE_S
from gateway.inference.translation import TranslatedCall
from gateway.wire.guards.answer import CONTENT_FILTER, check_answer
from gateway.wire.guards.stream import GuardedStream
from gateway.wire.guards.texts import TextRefused
from infra.clock import Clock
from infra.errors import AppError
from models.guards.policy import Direction, Rule, RuleKind

# Of a text, most tokens have fewer characters.
_CHARACTERS_PER_TOKEN = 6
_ANSWERED = (Settlement.COMPLETE, Settlement.UNKNOWN)
# A longer stream is refused: nothing may be held back without limit.
_MAX_HELD_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class ModelChecks:
    """The rules with models that apply to a call, and what asks the models."""

    models: GuardModels
    linked: LinkedCalls
    principal: Principal
    input_rules: Sequence[Rule]
    output_rules: Sequence[Rule]

    async def refuse_input(self, text: str) -> None:
        """Raise ContentFiltered if a rule refuses the request, or the error of its check."""
        for rule in self.input_rules:
            if await self.models.refuses(rule, Direction.INPUT, self.linked, self.principal, text):
                raise ContentFiltered(
                    f"The account's guard model {rule.model!r} refuses the request."
                )

    async def hold_output(self, request: ParsedRequest) -> None:
        """Hold quota for the checks of the answer. Raises the errors of admission."""
        bounds = request.output_bounds
        characters = _CHARACTERS_PER_TOKEN * bounds.max_tokens_per_choice * bounds.choices
        for rule in self.output_rules:
            await self.models.hold(rule, self.linked, self.principal, characters)

    async def refuses_output(self, text: str, question: str) -> bool:
        """Return whether a rule refuses an answer; a check that failed refuses it too."""
        for rule in self.output_rules:
            try:
                is_refused = await self.models.refuses(
                    rule, Direction.OUTPUT, self.linked, self.principal, text, question
                )
            except AppError:
                return True
            if is_refused:
                return True
        return False


class ModelGuardedCall(WrappedCall):
    """A call with checks by models; `inner` converts its answer, None if it stays as it is."""

    def __init__(
        self,
        checks: ModelChecks,
        chat_body: bytes,
        texts: Sequence[str],
        inner: TranslatedCall | None,
        clock: Clock,
    ) -> None:
        super().__init__(chat_body, inner)
        self._checks = checks
        self._texts = texts
        self._clock = clock
        self._choices: int | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._last_sent = 0.0
        self._released = b""

    async def defer(self, request: ParsedRequest, client: ClientExchange) -> CallResult | None:
        """Check the request, and prepare for its answer; see TranslatedCall.

        Raises ContentFiltered, and the errors of checks.
        """
        deferred = await super().defer(request, client)
        if deferred is not None:
            return deferred  # it is checked when it is answered
        await self._checks.refuse_input("\n\n".join(self._texts))
        if self._checks.output_rules:
            await self._checks.hold_output(request)
            self._choices = request.output_bounds.choices if request.stream else None
            self._last_sent = self._clock.monotonic()
        return None

    def translate(self, events: bytes) -> bytes:
        """Hold events of a stream back, and send comments meanwhile, that it is not cut off."""
        if self._choices is None:
            return super().translate(events)
        self._held_bytes += len(events)
        if self._held_bytes <= _MAX_HELD_BYTES:
            self._held.append(events)
        now = self._clock.monotonic()
        if now - self._last_sent < KEEP_ALIVE_S:
            return b""
        self._last_sent = now
        return super().translate(KEEP_ALIVE)

    async def convert(self, result: CallResult) -> CallResult:
        """Check and convert an answer that is not streamed, and check a stream at its end."""
        if self._choices is not None and result.stream_started:
            result = await self._check_stream(result, self._choices)
        elif self._checks.output_rules and result.status == 200:
            result = await self._check_body(result)
        return await super().convert(result)

    def end(self, result: CallResult, tail: bytes) -> bytes:
        """Return the end of a started stream, after its text."""
        released, self._released = self._released, b""
        return released + super().end(result, tail)

    async def _check_body(self, result: CallResult) -> CallResult:
        """Check a whole answer; a refused one has no text."""
        found: list[str] = []
        check_answer(result.tail, _collect_into(found))
        if not await self._is_refused(found):
            return result
        body, _ = check_answer(result.tail, _refuse)
        return replace(result, tail=body, error_code=CONTENT_FILTER)

    async def _check_stream(self, result: CallResult, choices: int) -> CallResult:
        """Check the text of a stream, which is then sent, or its refusal."""
        events, self._held = b"".join(self._held), []
        if result.settlement not in _ANSWERED:
            return result  # the client left, or the answer is not whole
        found: list[str] = []
        collecting = GuardedStream(_collect_into(found), choices)
        collecting.feed(events)
        collecting.end()
        is_whole = self._held_bytes <= _MAX_HELD_BYTES
        if is_whole and not await self._is_refused(found):
            self._released = super().translate(events)
            return result
        refusing = GuardedStream(_refuse, choices)
        self._released = super().translate(refusing.feed(events) + refusing.end())
        return replace(result, error_code=CONTENT_FILTER)

    async def _is_refused(self, texts: Sequence[str]) -> bool:
        """Return whether a rule refuses an answer; one without text passes."""
        text = "".join(texts)
        question = self._texts[-1] if self._texts else ""
        return bool(text.strip()) and await self._checks.refuses_output(text, question)


def _collect_into(found: list[str]) -> Callable[[str], str]:
    """Return a check that lets every text pass and keeps it."""

    def collect(text: str) -> str:
        """Keep the text."""
        found.append(text)
        return text

    return collect


def _refuse(_text: str) -> str:
    """Refuse every text."""
    raise TextRefused(RuleKind.MODEL)
