"""From what accounts agreed to share to what is learned and what is judged by.

Owns what counts as the same, who may give how much, and what is held out. Pure: no row is read
here (collector.py), and nothing learned (training.py).

An account that wants to bend the shared model finds: of one question its newest answer only; where
accounts answer differently none; of its examples no more than MOST_OF_ACCOUNT, and no larger share
of all than `Rules.most_share`; and tasks of our own that it cannot touch, on which a version may
not fall behind (models/industrial_llm/comparing.py).
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from infra.errors import AppError
from models.industrial_llm.examples import number_of
from models.industrial_llm.splitting import plain

# One question in so many is held out. Which is told by the question alone, so that one that was
# judged by is never learned from later.
HELD_OUT = 5
MOST_OF_ACCOUNT = 500
_SHARE = 0.4
# A token is a byte at least; what is longer than this is likely longer than what is learned from.
MOST_BYTES = 3_000


class TooFewExamples(AppError):
    """Too little was given by too few to learn a version from."""

    status = 409
    type = "invalid_request_error"
    code = "too_few_examples"


class Source(StrEnum):
    """Where an example was given."""

    FEEDBACK = "feedback"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Example:
    """A dialogue with its right answer, and who gave it when. `given_at` orders an account's own,
    `line` is where it stands in a file, from 1; 0 for feedback. Messages are (role, content)."""

    source: Source
    source_id: UUID
    line: int
    account_id: UUID
    given_at: datetime
    consented_at: datetime
    messages: tuple[tuple[str, str], ...]
    answer: str

    @property
    def question(self) -> str:
        """What the user said last."""
        return self.messages[-1][1]

    @property
    def digest(self) -> bytes:
        """Of the whole text: tells whether what a version learned is what there is now."""
        return hashlib.sha256(json.dumps([self.messages, self.answer]).encode()).digest()

    @property
    def asked(self) -> str:
        """The same for the same dialogue, whatever its spaces."""
        return json.dumps([(role, " ".join(said.split())) for role, said in self.messages])

    @property
    def said(self) -> str:
        return " ".join(self.answer.split())


@dataclass(frozen=True, slots=True)
class Rules:
    """How much, by how many, is enough."""

    fewest_accounts: int = 3
    fewest_examples: int = 50

    @property
    def most_share(self) -> float:
        """Of one account. Where few accounts are enough, each may give its equal part."""
        return max(_SHARE, 1 / self.fewest_accounts)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is learned, what is held out, and what was left out for which reason."""

    learned: tuple[Example, ...]
    held_out: tuple[Example, ...]
    left_out: dict[str, int]

    @property
    def all(self) -> tuple[tuple[Example, bool], ...]:
        """Each, and whether it is held out."""
        return tuple((one, False) for one in self.learned) + tuple(
            (one, True) for one in self.held_out
        )

    @property
    def digest(self) -> str:
        """The same for the same examples."""
        return hashlib.sha256(b"".join(sorted(one.digest for one, _ in self.all))).hexdigest()


def choose(given: Iterable[Example], judged_by: Collection[str], rules: Rules) -> Chosen:
    """`judged_by` are the questions of our own held-out tasks, which may not be learned.

    Raises TooFewExamples.
    """
    all_given = list(given)
    known = {plain(one) for one in judged_by}
    fit = [one for one in all_given if _is_short(one) and plain(one.question) not in known]
    agreed = _agreed(fit)
    kept = _shared(agreed, rules.most_share)
    accounts = len({one.account_id for one in kept})
    if accounts < rules.fewest_accounts or len(kept) < rules.fewest_examples:
        raise TooFewExamples(
            f"There are {len(kept)} examples of {accounts} accounts, of {len(all_given)} given; "
            f"{rules.fewest_examples} of {rules.fewest_accounts} are needed."
        )
    left_out = {
        "too long, or judged by": len(all_given) - len(fit),
        "repeated or contradicted": len(fit) - len(agreed),
        "over an account's share": len(agreed) - len(kept),
    }
    held = [one for one in kept if is_held_out(one.question)]
    learned = tuple(one for one in kept if not is_held_out(one.question))
    return Chosen(learned, tuple(held), left_out)


def is_held_out(question: str) -> bool:
    """By its words alone: another number or mark in it changes nothing."""
    return number_of(plain(question)) % HELD_OUT == 0


def _is_short(example: Example) -> bool:
    said = [content for _, content in example.messages]
    return sum(len(one.encode()) for one in (*said, example.answer)) <= MOST_BYTES


def _agreed(given: Sequence[Example]) -> list[Example]:
    """One answer a question: the newest of an account, and none where accounts differ."""
    newest: dict[tuple[UUID, str], Example] = {}
    for one in sorted(given, key=_order):
        newest[one.account_id, one.asked] = one
    by_question: dict[str, list[Example]] = defaultdict(list)
    for one in newest.values():
        by_question[one.asked].append(one)
    return [
        some[0] for some in by_question.values() if len({one.said.casefold() for one in some}) == 1
    ]


def _shared(agreed: Sequence[Example], share: float) -> list[Example]:
    """The newest of each account, as many as its share of all that remain."""
    counts = Counter(one.account_id for one in agreed)
    most = _most_each(counts.values(), share)
    taken: Counter[UUID] = Counter()
    kept = []
    for one in sorted(agreed, key=_order, reverse=True):
        if taken[one.account_id] < most:
            taken[one.account_id] += 1
            kept.append(one)
    return kept


def _most_each(counts: Collection[int], share: float) -> int:
    """The largest number that is no larger a share of what all give, none more than it."""
    for most in range(min(max(counts, default=0), MOST_OF_ACCOUNT), 0, -1):
        # Whole numbers and a share in floats: a third of three is one.
        if most <= share * sum(min(count, most) for count in counts) + 1e-9:
            return most
    return 0


def _order(example: Example) -> tuple[datetime, UUID, int]:
    return example.given_at, example.source_id, example.line
