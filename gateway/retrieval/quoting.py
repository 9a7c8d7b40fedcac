"""Decide whether a question is answered by the handbook's best passage instead of by the model.

A small model summarises the passage worse than it is written (docs/decisions/0047). The passage is
quoted in answer to a first question in plain text; everything else goes to the model.
"""

from collections.abc import Sequence

from gateway.call.grounding import Quotation
from gateway.call.values import Call, ParsedRequest, RetrievalRequest
from gateway.inference.endpoints.table import ENDPOINTS
from gateway.inference.token_count import PromptTokenCounter
from gateway.wire.file_search.citations import PassageSource, RetrievedPassage
from gateway.wire.file_search.grounding import answer_format, is_first_question
from models.catalog.upstreams import HANDBOOK
from models.grounding.answer import GroundedAnswer, quote

# A longer message is rather a text to work on than a question.
MAX_QUESTION_LENGTH = 500


class HandbookQuoter:
    """Quotes the handbook in answer to questions; one per gateway process."""

    def __init__(self, counter: PromptTokenCounter) -> None:
        self._counter = counter

    async def quote(
        self,
        call: Call,
        request: ParsedRequest,
        retrieval: RetrievalRequest,
        sources: Sequence[RetrievedPassage],
    ) -> Quotation | None:
        """Return the best passage as the answer to `request`, the chat without passages.

        Returns None if the model must answer, or if the tokens cannot be counted exactly.
        """
        if not sources or not _may_quote(request, retrieval, sources[0]):
            return None
        asked = await count_prompt(self._counter, call, request)
        if asked is None:
            return None
        answer = quote(retrieval.query, [source.text for source in sources])
        return await build_quotation(self._counter, request, asked, answer, HANDBOOK)


async def count_prompt(
    counter: PromptTokenCounter, call: Call, request: ParsedRequest
) -> int | None:
    """Return the tokens of a chat without passages, None if they cannot be counted exactly."""
    prompt = ENDPOINTS[call.operation].prompt
    return await counter.count(request.model, prompt, request.request_fields)


async def build_quotation(
    counter: PromptTokenCounter,
    request: ParsedRequest,
    asked: int,
    answer: GroundedAnswer,
    upstream: str,
) -> Quotation | None:
    """Return an answer to a prompt of `asked` tokens, with its own.

    None if these cannot be counted exactly, or if the client allows fewer.
    """
    bounds, written = request.output_bounds, await counter.count_text(request.model, answer.text)
    if written is None:
        return None
    if bounds.is_client_limited and written > bounds.max_tokens_per_choice:
        return None
    return Quotation(answer, asked, written, upstream)


def _may_quote(request: ParsedRequest, retrieval: RetrievalRequest, best: RetrievedPassage) -> bool:
    """Whether the request is a question in plain text of which the handbook has the best answer."""
    assistant, answers = request.model.assistant, answer_format(request.request_fields)
    return (
        assistant is not None
        and assistant.quotes
        and best.source is PassageSource.HANDBOOK
        and not retrieval.store_ids
        and len(retrieval.query) <= MAX_QUESTION_LENGTH
        and answers.is_text
        and not answers.may_call_tools
        and request.output_bounds.choices == 1
        and is_first_question(bytes(request.request_fields["messages"]))
    )
