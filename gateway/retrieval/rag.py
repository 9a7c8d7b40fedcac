"""Grounding: a chat that asks for `file_search` gets passages before its question.

    take the tool out -> search -> as many as fit -> write them before the question

Owns that order, and that prompt and answer fit into the model's context together.
"""

from collections.abc import Mapping
from dataclasses import replace

from gateway.call.values import Ask, Call, Principal, Searching
from gateway.inference.internal_calls import Making
from gateway.inference.parsing import Parser
from gateway.inference.token_count import PromptCounter
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.retrieval.hybrid_search import Passage, Wanted
from gateway.retrieval.search import Inquiry, Searcher
from gateway.retrieval.token_length import estimated
from gateway.wire.file_search import Cited, Source, grounded
from gateway.wire.vector_stores import filter_of
from infra import ids

# What is kept for an answer whose length the client left open: so much of the context, at most.
_SHARE, _MOST_KEPT = 4, 1024


class Grounder:
    """Of one gateway process."""

    def __init__(self, parser: Parser, searcher: Searcher, counter: PromptCounter) -> None:
        self._parser = parser
        self._searcher = searcher
        self._counter = counter

    async def searches(self, principal: Principal, ask: Ask) -> list[Ask]:
        """The calls that look for passages. Raises as a search does that cannot be made."""
        if ask.searching is None:
            return []
        return await self._searcher.asks(principal, _inquiry(ask.searching, ask.tags))

    async def ground(
        self, call: Call, body: bytes, principal: Principal, ask: Ask, making: Making
    ) -> tuple[bytes, Ask]:
        """The body with passages, and what it asks for; the same where it searches nothing.

        Raises what a search can be refused for, and as parsing does.
        """
        searching = ask.searching
        if searching is None:
            return body, ask
        passages = await self._searcher.search(principal, _inquiry(searching, ask.tags), making)
        sources = tuple(_source(passage) for passage in passages)
        most = await self._tokens(call, ask) + searching.most_tokens
        while True:
            fuller = grounded(body, searching.question, sources)
            asked = self._parser.parse(call, fuller, principal)
            if not sources or await self._fits(call, asked, most):
                return fuller, replace(asked, cited=Cited(searching.question, sources))
            sources = sources[:-1]

    def search_of(self, ask: Ask) -> Ask:
        """The call that looks for passages, for its price. Raises ModelNotServed."""
        question = "" if ask.searching is None else ask.searching.question
        return replace(self._searcher.asked_of([question]), tags=ask.tags)

    async def _fits(self, call: Call, ask: Ask, most: int) -> bool:
        """Whether the prompt is no longer than was told of, and an answer has room too."""
        context, prompt = ask.model.context_length, await self._tokens(call, ask)
        if prompt > most or context is None:
            return prompt <= most
        natural = min(context // _SHARE, _MOST_KEPT)
        kept = ask.extent.output_each if ask.extent.limited else natural
        return prompt + min(kept, context // 2) <= context

    async def _tokens(self, call: Call, ask: Ask) -> int:
        """Counted where the model's tokenizer is here, else estimated."""
        count = await self._counter.count(ask.model, call.operation, ask.prompt)
        if count is not None:
            return count
        return estimated(bytes(ask.prompt["messages"]).decode(errors="replace"))


def _inquiry(searching: Searching, tags: Mapping[str, str] | None) -> Inquiry:
    wanted = Wanted(searching.most, searching.least_score, searching.meaning, searching.words)
    given = None if searching.filter is None else dict(searching.filter)
    return Inquiry(searching.store_ids, [searching.question], wanted, filter_of(given), tags)


def _source(passage: Passage) -> Source:
    return Source(
        file_id=ids.show(FILE_PREFIX, passage.file_id),
        filename=passage.filename,
        score=passage.score,
        attributes=passage.attributes,
        text=passage.text,
    )
