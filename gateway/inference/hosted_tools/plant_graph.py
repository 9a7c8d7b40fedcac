"""The tool `{"type": "plant_graph"}` of a chat: the answer comes from the account's plant graph.

    understand by rules -> else one step of the language model chooses the typed query -> answer

The text is composed of what the graph has; no language model phrases it. The step of the language
model is held, priced and recorded like every step of hosted tools.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec

from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.call.hosted_tools import HostedTools
from gateway.call.values import AdmittedCall, ParsedRequest
from gateway.collaboration.loop import AnswerOrigin, Outcome
from gateway.collaboration.plan import Question
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.hosted_tools.finding import ReadQuestion
from gateway.inference.hosted_tools.holding import Admit, HostedRequest
from gateway.inference.hosted_tools.sending import HostedCall, StepSender
from gateway.inference.internal.linked_calls import HeldCall
from gateway.plant.questions.choosing import (
    MAX_CHOICE_TOKENS,
    Candidates,
    choice_format,
    choice_messages,
    find_candidates,
    read_choice,
)
from gateway.plant.questions.service import BY_MODEL, BY_RULES, PlantQuestions
from gateway.plant.questions.values import AnswerStatus, PlantAnswer, Understanding
from gateway.plant.questions.views import answer_json
from gateway.wire.hosted_tools.steps import read_reply, step_request, user_texts, without_usage
from gateway.wire.usage import token_counts
from infra.clock import Clock
from infra.errors import AppError

PLANT_GRAPH_FIELD = "x_maas_plant_graph"
_NO_TOKENS = Quantities(input_tokens=0, output_tokens=0)


@dataclass(frozen=True, slots=True)
class GraphReply:
    """An answer from the graph: how the chat ends, its field, and the tokens of the step."""

    admitted: AdmittedCall
    outcome: Outcome
    fields: Mapping[str, Any]
    tokens: Quantities
    question: str


class PlantGraphTool:
    """Answers chats from plant graphs, for one gateway process."""

    def __init__(self, questions: PlantQuestions, sender: StepSender, clock: Clock) -> None:
        self._questions = questions
        self._sender = sender
        self._clock = clock

    async def answer(
        self, asked: HostedRequest, hosted: HostedTools, admit: Admit
    ) -> GraphReply | None:
        """Answer a chat; None if other tools are to answer it.

        `admit` admits the client's call after quota for the step is held. Raises the errors of
        admission, of a query, and of the language model.
        """
        text, account_id = _newest_text(asked.request), asked.principal.account_id
        understood = await self._questions.understand(account_id, text)
        if not hosted.is_requested:
            return await self._offer(asked, understood, text, admit)
        if understood.is_understood:
            admitted = await admit(_parent(asked.request))
            answer = await self._questions.answer_understood(account_id, understood)
            return _reply(admitted, answer, text, _NO_TOKENS)
        if hosted.specialists or asked.request.retrieval is not None:
            return None
        return await self._choose(asked, hosted, text, understood, admit)

    async def plan(
        self, account_id: UUID, request: ParsedRequest, hosted: HostedTools
    ) -> Sequence[HeldCall] | None:
        """Return the calls that an answer holds, to price it; None if other tools are to answer.

        Raises the errors of a query.
        """
        text = _newest_text(request)
        understood = await self._questions.understand(account_id, text)
        if not hosted.is_requested:
            return None if await self._offered_answer(account_id, understood) is None else ()
        if understood.is_understood:
            return ()
        if hosted.specialists or request.retrieval is not None:
            return None
        vocabulary = await self._questions.vocabularies.of_account(account_id)
        if vocabulary.is_empty:
            return ()
        return (HeldCall(CHAT, choice_request(request, text, find_candidates(text, vocabulary))),)

    async def _offer(
        self, asked: HostedRequest, understood: Understanding, text: str, admit: Admit
    ) -> GraphReply | None:
        """Answer a chat of `auto` if its question names something of the plant and has results."""
        answer = await self._offered_answer(asked.principal.account_id, understood)
        if answer is None:
            return None
        return _reply(await admit(_parent(asked.request)), answer, text, _NO_TOKENS)

    async def _offered_answer(
        self, account_id: UUID, understood: Understanding
    ) -> PlantAnswer | None:
        """Return the answer of the graph, None if the selected model is to answer.

        A value of the plant that is missing is said, as a language model could only invent it.
        """
        if not understood.is_understood or not understood.names_own:
            return None
        try:
            answer = await self._questions.answer_understood(account_id, understood)
        except AppError:  # the selected model answers, as if nothing had been offered
            return None
        is_given = answer.status is AnswerStatus.ANSWERED or understood.asks_value
        return answer if is_given else None

    async def _choose(
        self,
        asked: HostedRequest,
        hosted: HostedTools,
        text: str,
        understood: Understanding,
        admit: Admit,
    ) -> GraphReply:
        """Let the language model choose the query, and answer it."""
        account_id = asked.principal.account_id
        vocabulary = await self._questions.vocabularies.of_account(account_id)
        if vocabulary.is_empty:
            admitted = await admit(_parent(asked.request))
            answer = await self._questions.answer_understood(account_id, understood)
            return _reply(admitted, answer, text, _NO_TOKENS)
        candidates = find_candidates(text, vocabulary)
        request = choice_request(asked.request, text, candidates)
        await asked.linked.hold(asked.principal, [HeldCall(CHAT, request)], is_text=True)
        admitted = await admit(_parent(asked.request))
        call = HostedCall(
            asked.call, admitted, asked.request, hosted, _nothing_read(texts=(text,)),
            asked.client, asked.linked, asked.trace,
        )  # fmt: skip
        result, record = await self._sender.send(call, CHAT, request, is_text=True)
        if result.error is not None:
            raise result.error
        by, tokens = BY_RULES, _NO_TOKENS
        if result.settlement is Settlement.COMPLETE:
            reply, today = read_reply(result.tail), self._clock.now().date()
            chosen = read_choice(reply.text, text, candidates, vocabulary, today)
            understood, by = (chosen, BY_MODEL) if chosen.query is not None else (understood, by)
        if record is not None:
            tokens = token_counts(record.quantities)
        answer = await self._questions.answer_understood(account_id, understood, by)
        return _reply(admitted, answer, text, tokens)


def choice_request(request: ParsedRequest, text: str, candidates: Candidates) -> ParsedRequest:
    """Return the request in which the chat's language model chooses a query about a text."""
    kept = {
        name: raw
        for name, raw in request.request_fields.items()
        if name in ("model", "chat_template_kwargs", "reasoning_effort")
    }
    fields = {
        **kept,
        "messages": msgspec.Raw(msgspec.json.encode(choice_messages(text, candidates))),
        "response_format": msgspec.Raw(msgspec.json.encode(choice_format(candidates))),
        "temperature": msgspec.Raw(b"0"),
    }
    bounds = replace(
        request.output_bounds, max_tokens_per_choice=MAX_CHOICE_TOKENS, is_client_limited=True
    )
    return step_request(replace(request, request_fields=fields, output_bounds=bounds), (), ())


def _newest_text(request: ParsedRequest) -> str:
    """Return the text of the newest message of the user, empty without one."""
    return next(reversed(user_texts(request)), "")


def _parent(request: ParsedRequest) -> ParsedRequest:
    """Return the client's request as the parent of its step: it consumes nothing itself."""
    return without_usage(request)


def _nothing_read(texts: tuple[str, ...]) -> ReadQuestion:
    """Return a question without specialists."""
    return ReadQuestion(Question(texts, "en", (), {}, frozenset()), {})


def _reply(
    admitted: AdmittedCall, answer: PlantAnswer, question: str, tokens: Quantities
) -> GraphReply:
    """Return the reply with an answer."""
    outcome = Outcome(AnswerOrigin.COMPOSED, answer.text)
    return GraphReply(admitted, outcome, {PLANT_GRAPH_FIELD: answer_json(answer)}, tokens, question)
