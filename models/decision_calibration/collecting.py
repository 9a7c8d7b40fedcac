"""Collect the scores of labelled questions from a running service, and store each at once.

An interrupted collection goes on where it ended: the file has one JSON line per question.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from models.decision_calibration.ballots import Order, both_orders, split_into_groups
from models.decision_calibration.logprobs import decode_first_token, first_token_request
from models.decision_calibration.prompts import CONTENT_FREE, Message, build_messages
from models.decision_calibration.questions import TypedQuestion
from models.decision_calibration.scored import ScoredQuestion
from models.decision_calibration.scoring import (
    NoOptionChosen,
    Scores,
    TokenLogprobs,
    average_orders,
    best_option,
    equal_scores,
    join_rounds,
    letter_scores,
)
from models.decision_calibration.tasks.labelled_question import LabelledQuestion

_TIMEOUT_S = 300.0
Report = Callable[[int, int], None]


class CollectionFailed(RuntimeError):
    """The service cannot be reached, or its response has no log-probabilities."""


class StoredScores(msgspec.Struct, frozen=True):
    """A line of the file: the scores of one question; None if the model chose no option.

    `prior` are the scores without an input.
    """

    id: str
    model: str
    scores: Scores | None
    prior: Scores


_LINE = msgspec.json.Decoder(StoredScores)


@dataclass(frozen=True, slots=True)
class ScoreCollector:
    """Asks one model of an OpenAI-compatible server; `url` includes `/v1`.

    `file` keeps the scores. `transport` replaces the network.
    """

    url: str
    key: str
    model: str
    file: Path
    concurrency: int = 8
    transport: httpx.AsyncBaseTransport | None = None

    def collect(
        self, questions: Sequence[LabelledQuestion], report: Report
    ) -> list[ScoredQuestion]:
        """Return the scored questions, without those for which the model chose no option.

        `report` receives the number of questions done and in all. Raises CollectionFailed.
        """
        stored = self._read()
        missing = [one for one in questions if one.id not in stored]
        report(len(questions) - len(missing), len(questions))
        if missing:
            known, total = len(questions) - len(missing), len(questions)
            asyncio.run(self._ask_all(missing, stored, lambda done: report(known + done, total)))
        return _scored(questions, stored)

    def read_scored(self, questions: Sequence[LabelledQuestion]) -> list[ScoredQuestion]:
        """Return the questions with stored scores, without asking the service."""
        return _scored(questions, self._read())

    def _read(self) -> dict[str, StoredScores]:
        """Return the stored scores of this model by question."""
        if not self.file.is_file():
            return {}
        lines = [_LINE.decode(line) for line in self.file.read_bytes().splitlines() if line]
        return {line.id: line for line in lines if line.model == self.model}

    async def _ask_all(
        self,
        questions: Sequence[LabelledQuestion],
        stored: dict[str, StoredScores],
        report: Callable[[int], None],
    ) -> None:
        """Ask all questions, a few at a time, and store the scores of each.

        `report` receives the number of those asked.
        """
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        pending, priors = iter(questions), dict[TypedQuestion, Scores]()
        known = len(stored)
        async with httpx.AsyncClient(
            headers=headers, timeout=_TIMEOUT_S, transport=self.transport
        ) as client:

            async def work() -> None:
                """Ask one question after another until none is left."""
                for question in pending:
                    scores = await self._ask(client, question.context, question.question)
                    prior = await self._ask_prior(client, question.question, priors)
                    line = StoredScores(question.id, self.model, scores, prior)
                    stored[question.id] = line
                    self._append(line)
                    report(len(stored) - known)

            await asyncio.gather(*(work() for _ in range(self.concurrency)))

    def _append(self, line: StoredScores) -> None:
        """Write a line to the end of the file."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")

    async def _ask_prior(
        self,
        client: httpx.AsyncClient,
        question: TypedQuestion,
        priors: dict[TypedQuestion, Scores],
    ) -> Scores:
        """Return the scores of a question without an input, asked once for equal questions."""
        if question not in priors:
            scores = await self._ask(client, CONTENT_FREE, question)
            priors[question] = scores or equal_scores(len(question.options))
        return priors[question]

    async def _ask(
        self, client: httpx.AsyncClient, context: str, question: TypedQuestion
    ) -> Scores | None:
        """Return the scores of a question; None if the model chose no option."""
        try:
            groups = [
                await self._ask_group(client, context, question, group)
                for group in split_into_groups(len(question.options))
            ]
            final: dict[int, float] = {}
            if len(groups) > 1:
                winners = tuple(best_option(group) for group in groups)
                final = await self._ask_group(client, context, question, winners)
            return join_rounds(groups, final)
        except NoOptionChosen:
            return None

    async def _ask_group(
        self, client: httpx.AsyncClient, context: str, question: TypedQuestion, group: Order
    ) -> dict[int, float]:
        """Return the scores of a group's options, asked in both orders. Raises NoOptionChosen."""
        scores = {}
        for order in both_orders(group):
            messages = build_messages(context, question, order)
            tokens = await ask_first_token(client, self.url, self.model, messages)
            scores[order] = letter_scores(tokens, len(order))
        return average_orders(scores)


async def ask_first_token(
    client: httpx.AsyncClient, url: str, model: str, messages: list[Message]
) -> TokenLogprobs:
    """Send a chat to a server and return the most likely first tokens. Raises CollectionFailed."""
    try:
        body = first_token_request(model, messages)
        response = await client.post(f"{url}/chat/completions", json=body)
    except httpx.HTTPError as error:
        raise CollectionFailed(f"{url} cannot be reached: {error!r}.") from error
    if response.status_code != httpx.codes.OK:
        raise CollectionFailed(
            f"{url} responded with HTTP status {response.status_code}: {response.text[:300]}"
        )
    tokens = decode_first_token(response.content)
    if tokens is None:
        raise CollectionFailed("The response has no log-probabilities.")
    return tokens


def _scored(
    questions: Sequence[LabelledQuestion], stored: Mapping[str, StoredScores]
) -> list[ScoredQuestion]:
    """Return the questions with stored scores, by the task that their ids begin with."""
    return [
        ScoredQuestion(
            one.question.kind, scores, one.truth, stored[one.id].prior, one.id.partition("/")[0]
        )
        for one in questions
        if one.id in stored and (scores := stored[one.id].scores) is not None
    ]
