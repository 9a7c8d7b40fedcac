"""Answer a question about the account's documents by the line that answers it, without the model.

    search more passages -> read their lines -> ask the model if in doubt -> quote one, or state
    that none answers

A small model finds the line worse than the trained reader (models/line_reader), and states figures
of other items (docs/decisions/0066, 0106). It is asked whether the line answers (line_check.py).
Only first questions in plain text are read; tasks such as a summary go to the model, and so does
everything while many questions wait for the reader.

An assistant searches the handbook too. If no line of the documents answers but one of the handbook
does, its passage is quoted, but not for a figure, code, person or date: these are of the plant.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import structlog

from gateway.call.grounding import Quotation
from gateway.call.values import Call, ParsedRequest, Principal, RetrievalRequest
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.token_count import PromptTokenCounter
from gateway.retrieval.line_check import AskingCall, JudgedLine, LineChecker
from gateway.retrieval.quoting import MAX_QUESTION_LENGTH, build_quotation, count_prompt
from gateway.wire.file_search.citations import PassageSource, RetrievedPassage
from gateway.wire.file_search.grounding import answer_format, is_first_question
from models.catalog.upstreams import DOCUMENTS, HANDBOOK
from models.grounding.answer import GroundedAnswer, Grounding, not_found_text, quote
from models.line_reader.lines import Line, split_lines
from models.line_reader.questions import is_task
from models.line_reader.reader import LineReader, LineReaderMissing, load_reader

# The answering line is among eight passages more often than among the three of a prompt.
READ_PASSAGES = 8
# A line takes 30 ms to be read for the first time. Eight passages of usual size have half as many.
MAX_LINES = 160
# Passages of the handbook whose lines are read, after no line of the documents has answered.
_HANDBOOK_PASSAGES = 3
# Questions that wait for the reader, which answers one at a time: as long as a model would take.
_MAX_WAITING = 4


@dataclass(frozen=True, slots=True)
class FoundLine:
    """What is quoted and the index of its passage; without a quotation, no line answers.

    `asks_for_fact` is whether the question asks for what only the plant's documents can tell.
    `best` is the likeliest line, `best_quoted` what would be quoted of it; None without a line.
    """

    passage: int = 0
    quoted: str = ""
    asks_for_fact: bool = False
    best: JudgedLine | None = None
    best_quoted: str = ""


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """The answer to a question, and the passages that the response lists."""

    quotation: Quotation
    sources: tuple[RetrievedPassage, ...]


class DocumentReader:
    """Reads the lines of passages; one per gateway process, bound to one event loop.

    The reader is loaded at the first question. Where its package is not installed, models answer.
    """

    def __init__(self, counter: PromptTokenCounter, checker: LineChecker) -> None:
        self._counter = counter
        self._checker = checker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="line-reader")
        self._waiting = 0
        self._loading: asyncio.Future[LineReader | None] | None = None
        self._log = structlog.get_logger()

    def widen(self, request: ParsedRequest, retrieval: RetrievalRequest) -> RetrievalRequest:
        """Return the search with as many passages as are read."""
        if not _may_read(request, retrieval):
            return retrieval
        limit = max(retrieval.max_results, READ_PASSAGES)
        # Passages of documents and of the handbook are listed in turn.
        return replace(retrieval, max_results=limit * (2 if retrieval.searches_handbook else 1))

    async def quote(
        self,
        call: Call,
        principal: Principal,
        request: ParsedRequest,
        sources: Sequence[RetrievedPassage],
        linked: LinkedCalls,
    ) -> ReadAnswer | None:
        """Return the line that answers `request`, or the statement that none does.

        `linked` takes the calls that check a line. Returns None if the model must answer, or if the
        tokens cannot be counted exactly.
        """
        retrieval = request.retrieval
        if retrieval is None or not sources or not _may_read(request, retrieval):
            return None
        asked = await count_prompt(self._counter, call, request)
        if asked is None or self._waiting >= _MAX_WAITING:
            return None
        documents = [one for one in sources if one.source is not PassageSource.HANDBOOK]
        handbook = tuple(one for one in sources if one.source is PassageSource.HANDBOOK)
        account = str(principal.account_id)
        read = await self._read(account, retrieval.query, documents)
        if read is None:
            return None
        read = await self._checked(AskingCall(principal, request, linked), read)
        handbook = () if read.quoted else await self._answering(account, request, read, handbook)
        if not handbook:
            answer, listed = _answer(retrieval.query, read, documents, retrieval.max_results)
            quotation = await build_quotation(self._counter, request, asked, answer, DOCUMENTS)
        elif request.model.assistant is None or not request.model.assistant.quotes:
            return None
        else:
            listed = tuple(handbook[: retrieval.max_results])
            answer = quote(retrieval.query, [one.text for one in listed])
            quotation = await build_quotation(self._counter, request, asked, answer, HANDBOOK)
        return None if quotation is None else ReadAnswer(quotation, listed)

    async def _read(
        self, account: str, question: str, sources: Sequence[RetrievedPassage]
    ) -> FoundLine | None:
        """Return what is read, in the reader's turn; None where the reader is not installed."""
        self._waiting += 1
        try:
            reader = await self._load()
            if reader is None:
                return None
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._thread, _read, reader, account, question, sources
            )
        finally:
            self._waiting -= 1

    async def _checked(self, asking: AskingCall, read: FoundLine) -> FoundLine:
        """Return what is quoted after the model was asked, if the reader is in doubt."""
        answers = None if read.best is None else await self._checker.answers(asking, read.best)
        if answers is None:
            return read
        return replace(read, quoted=read.best_quoted if answers else "")

    async def _answering(
        self,
        account: str,
        request: ParsedRequest,
        read: FoundLine,
        handbook: tuple[RetrievedPassage, ...],
    ) -> tuple[RetrievedPassage, ...]:
        """Return the handbook's passages, one with an answering line first; none without such."""
        retrieval = request.retrieval
        if retrieval is None or not retrieval.searches_handbook or read.asks_for_fact:
            return ()
        found = await self._read(account, retrieval.query, handbook[:_HANDBOOK_PASSAGES])
        if found is None or not found.quoted:
            return ()
        best = handbook[found.passage]
        return (best, *(one for one in handbook if one is not best))

    async def _load(self) -> LineReader | None:
        """Return the reader, None where it is not installed."""
        if self._loading is None:
            loop = asyncio.get_running_loop()
            self._loading = loop.run_in_executor(self._thread, self._load_now)
        return await asyncio.shield(self._loading)

    def _load_now(self) -> LineReader | None:
        try:
            return load_reader()
        except LineReaderMissing as error:
            self._log.warning("line_reader_missing", problem=str(error))
            return None


def _may_read(request: ParsedRequest, retrieval: RetrievalRequest) -> bool:
    """Whether a request is a question in plain text to a model that does not read lines well."""
    model, answers = request.model, answer_format(request.request_fields)
    return (
        model.file_search.reads_lines
        and request.variant_id is None
        and request.hosted_tools is None
        and bool(retrieval.store_ids)
        and len(retrieval.query) <= MAX_QUESTION_LENGTH
        and not is_task(retrieval.query)
        and answers.is_text
        and not answers.may_call_tools
        and request.output_bounds.choices == 1
        and is_first_question(bytes(request.request_fields["messages"]))
    )


def _read(
    reader: LineReader, account: str, question: str, sources: Sequence[RetrievedPassage]
) -> FoundLine:
    """Return the likeliest line with the index of its passage, quoted if it answers."""
    found = list(_lines(sources).values())[:MAX_LINES]
    judged = reader.read(account, question, [line for _, line in found])
    asks_for_fact = reader.asks_for_fact(question)
    if judged is None:
        return FoundLine(asks_for_fact=asks_for_fact)
    passage, line = found[judged.line]
    best = JudgedLine(question, line.shown, judged.probability)
    quoted = judged.quoted if judged.is_answer else ""
    return FoundLine(passage, quoted, asks_for_fact, best, judged.quoted)


def _lines(sources: Sequence[RetrievedPassage]) -> dict[str, tuple[int, Line]]:
    """Return the lines by their text, with the index of the best passage that has each."""
    found: dict[str, tuple[int, Line]] = {}
    for index, source in enumerate(sources):
        for line in split_lines(source.text):
            # Passages overlap: the better one has the line.
            found.setdefault(line.text, (index, line))
    return found


def _answer(
    question: str, read: FoundLine, sources: Sequence[RetrievedPassage], limit: int
) -> tuple[GroundedAnswer, tuple[RetrievedPassage, ...]]:
    """Return the answer and at most `limit` passages, the quoted one among them."""
    listed = tuple(sources[:limit])
    if not read.quoted:
        return GroundedAnswer(not_found_text(question), Grounding.NOT_FOUND), listed
    if read.passage >= limit:
        listed = (*sources[: limit - 1], sources[read.passage])
    number = min(read.passage + 1, limit)
    return GroundedAnswer(f"{read.quoted} [{number}]", Grounding.QUOTED, 0), listed
