"""Passages of `file_search` in a conversation with specialists.

    hold the search -> admit the client's call -> search -> insert passages -> cite them at the end

The language model may search again with words of its own (consulting.py).

Inputs of specialists are read from the person's messages alone, never from a passage. Figures of
passages may stand in the answer; an answer without a specialist's decision is checked against them.
"""

import asyncio
from dataclasses import replace

from gateway.call.grounding import Citations
from gateway.call.values import ParsedRequest
from gateway.collaboration.loop import AnswerOrigin, Outcome
from gateway.inference.hosted_tools.holding import HostedRequest
from gateway.inference.retrieval_port import Grounder
from gateway.wire.hosted_tools.answer import AnswerHead, CitedAnswer, encode_answer, read_cited


class PassageFinder:
    """Finds the passages of conversations, for one gateway process."""

    def __init__(self, grounder: Grounder) -> None:
        self.grounder = grounder

    async def hold_search(self, asked: HostedRequest) -> list[ParsedRequest]:
        """Hold quota for the first search of a request; returns the calls that a search makes.

        Nothing is held without `file_search`. Raises the errors of a search that cannot be made,
        and of admission.
        """
        searches = await self.grounder.list_search_requests(asked.principal, asked.request)
        await asked.linked.reserve(asked.principal, searches)
        return searches

    async def insert(self, asked: HostedRequest) -> ParsedRequest:
        """Search, and return the request with the passages and their citations.

        Returns it unchanged without `file_search`. Raises the errors of the search.
        """
        if asked.request.retrieval is None:
            return asked.request
        _, grounded = await self.grounder.ground(
            asked.call, asked.body, asked.principal, asked.request, asked.linked
        )
        return replace(
            asked.request,
            request_fields=grounded.request_fields,
            retrieval=None,
            citations=grounded.citations,
        )


async def cite(
    citations: Citations, head: AnswerHead, outcome: Outcome
) -> tuple[Outcome, CitedAnswer]:
    """Return the outcome with its verified text, and the list of passages with citations.

    A text that rests on a specialist's decision was checked already. Other texts must follow from
    the passages; one that does not is replaced by the nearest passage.
    """
    body = encode_answer(head, outcome)
    if outcome.origin is not AnswerOrigin.PLAIN:
        return outcome, read_cited(citations.list_passages(body))
    # In a thread: checking a long answer would delay other calls.
    checked = await asyncio.to_thread(citations.check_body, body)
    corrections = {
        index: citations.correct(draft, None) for index, draft in checked.rejected().items()
    }
    cited = read_cited(checked.encode(corrections))
    return replace(outcome, text=cited.text), cited
