"""Ask guard models about the texts of a call: linked calls with their own rows and prices.

    split the text -> hold all questions -> ask them -> refuse, or go on

A question is billed also if the model refuses the text: its verdict is what is paid for. Whatever
goes wrong with it, or takes too long, the account's rule says whether the text passes.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from prometheus_client import Counter

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.errors import Unavailable, UpstreamTimeout
from gateway.call.values import CallResult, ParsedRequest, Principal, ResolvedModel
from gateway.inference.endpoints.moderation import MODERATION
from gateway.inference.internal.detached_sender import DetachedSender
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.internal.recorded_calls import run_recorded
from gateway.inference.usage.writer import UsageWriter
from gateway.wire.moderation.requests import ModeratedInput, build_moderation_request
from gateway.wire.moderation.verdicts import CONTROVERSIAL, SAFETY_FIELD
from infra import ids
from infra.errors import AppError
from models.catalog import Catalog, Model, Task
from models.guards.policy import Direction, OnControversial, OnFailure, Rule

# What a guard model's policy takes of its context.
_POLICY_TOKENS = 1_500
_DEFAULT_CONTEXT, _MIN_PART = 8_192, 500
# A longer text is not asked about: it counts as a failed check.
MAX_PARTS = 20


class _Result(msgspec.Struct):
    flagged: bool
    safety: str | None = msgspec.field(default=None, name=SAFETY_FIELD)

    def is_refused_by(self, rule: Rule) -> bool:
        """Whether the rule refuses the text."""
        passes = rule.on_controversial is OnControversial.ALLOW and self.safety == CONTROVERSIAL
        return self.flagged and not passes


class _Moderation(msgspec.Struct):
    results: list[_Result]


_MODERATION = msgspec.json.Decoder(_Moderation)


@dataclass(frozen=True, slots=True)
class GuardModels:
    """Asks the guard models of one gateway process."""

    catalog: Catalog
    sender: DetachedSender
    writer: UsageWriter
    actions: Counter

    async def hold(
        self, rule: Rule, linked: LinkedCalls, principal: Principal, characters: int
    ) -> None:
        """Hold quota for the questions about an answer of at most this many characters.

        Raises the errors of admission that concern the account's limits. Nothing is held for a
        model that is not served: its check will fail.
        """
        model = self._find(rule)
        if model is None:
            return
        size = _part_size(model)
        count = min(MAX_PARTS, -(-characters // size))
        for request in self._requests(model, ["x" * size] * count, "x" * size):
            await linked.hold_check(principal, MODERATION, request)

    async def refuses(
        self,
        rule: Rule,
        direction: Direction,
        linked: LinkedCalls,
        principal: Principal,
        text: str,
        answer_to: str | None = None,
    ) -> bool:
        """Return whether the rule refuses a text.

        `answer_to` is the text that an answer follows; its questions were held before. Raises the
        errors of admission, and the check's error if the rule lets no text pass whose check failed.
        """
        questions = self._questions(rule, text, answer_to)
        if answer_to is None:
            for question in questions or ():
                await linked.hold_check(principal, MODERATION, question)
        try:
            async with asyncio.timeout(rule.timeout_ms / 1000):
                is_refused = await self._ask(rule, linked, principal, questions)
        except (AppError, TimeoutError) as error:
            self._count(rule, f"failed-{rule.on_failure.value}", direction)
            if rule.on_failure is OnFailure.ALLOW:
                return False
            if isinstance(error, AppError):
                raise
            raise UpstreamTimeout("The account's guard model did not answer in time.") from None
        if is_refused:
            self._count(rule, rule.action.value, direction)
        return is_refused

    def _questions(
        self, rule: Rule, text: str, answer_to: str | None
    ) -> Sequence[ParsedRequest] | None:
        """Return the questions about the parts of a text; None if it cannot be asked about."""
        model = self._find(rule)
        if model is None:
            return None
        size = _part_size(model)
        parts = [text[start : start + size] for start in range(0, len(text), size)]
        context = None if answer_to is None else answer_to[-size:]
        return None if len(parts) > MAX_PARTS else list(self._requests(model, parts, context))

    async def _ask(
        self,
        rule: Rule,
        linked: LinkedCalls,
        principal: Principal,
        questions: Sequence[ParsedRequest] | None,
    ) -> bool:
        """Ask one question after another until the rule refuses a text. Raises an AppError."""
        if questions is None:
            raise Unavailable(
                "The account's guard model is not served, or the text is too long for it."
            )
        for question in questions:
            results = await self._ask_once(linked, principal, question)
            if any(one.is_refused_by(rule) for one in results):
                return True
        return False

    async def _ask_once(
        self, linked: LinkedCalls, principal: Principal, request: ParsedRequest
    ) -> Sequence[_Result]:
        """Send one question, add its usage row, and return its verdicts. Raises an AppError."""
        call = linked.new_call(ids.new_id(), MODERATION)
        admitted = await linked.admit_check(call, principal, request)

        async def work() -> CallResult:
            return await self.sender.send(call, admitted)

        add = linked.add_check
        result, _ = await run_recorded(self.writer, linked, call, admitted, work, add)
        if result.error is not None:
            raise result.error
        return _MODERATION.decode(result.tail).results

    def _requests(
        self, model: Model, parts: list[str], answer_to: str | None
    ) -> Iterable[ParsedRequest]:
        """Yield the questions about the parts: all in one to a moderation model, else one each."""
        resolved = ResolvedModel(model, model.id, model.id)
        groups = [[part] for part in parts] if model.guard_format.is_chat else [parts]
        for group in groups:
            if group:
                checked = ModeratedInput(tuple(group), answer_to=answer_to)
                public_id = ids.format_id(REQUEST_ID_PREFIX, ids.new_id())
                yield build_moderation_request(resolved, checked, public_id)

    def _find(self, rule: Rule) -> Model | None:
        """Return the rule's model, None if the catalog has no such moderation model."""
        model = self.catalog.find(rule.model)
        return model if model is not None and model.task is Task.MODERATION else None

    def _count(self, rule: Rule, action: str, direction: Direction) -> None:
        """Count what a rule did."""
        self.actions.labels(rule.kind.value, action, direction.value).inc()


def _part_size(model: Model) -> int:
    """Return how many characters of a text, and of what it answers, fit beside the policy."""
    context = model.context_length or _DEFAULT_CONTEXT
    return max(_MIN_PART, (context - _POLICY_TOKENS) // 2)
