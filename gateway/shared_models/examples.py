"""Select training and hold-out examples for a shared model from what accounts share.

Guards against data poisoning by one account: per question only its newest answer counts, questions
that accounts answer differently are dropped, an account gives at most MAX_PER_ACCOUNT examples and
the share `SelectionRules.max_account_share`, and a version may not regress on our own tasks
(models/industrial_llm/comparing.py).
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
from models.industrial_llm.examples import stable_hash
from models.industrial_llm.splitting import normalize_text

# One in this many questions is held out. The choice depends on the question alone, so a question
# once used for evaluation is never trained on later.
HELD_OUT_EVERY = 5
MAX_PER_ACCOUNT = 500
_MAX_ACCOUNT_SHARE = 0.4
# A token has at least one byte; longer examples likely exceed the training context.
MAX_BYTES = 3_000


class TooFewExamples(AppError):
    """Too few examples, or from too few accounts, to train a version."""

    status = 409
    type = "invalid_request_error"
    code = "too_few_examples"


class ExampleSource(StrEnum):
    """The origin of an example."""

    FEEDBACK = "feedback"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class SharedExample:
    """A dialogue with its correct answer and its source.

    `given_at` orders the examples of an account. `line` is the line in the training file, from 1,
    or 0 for feedback. `messages` are pairs of role and content.
    """

    source: ExampleSource
    source_id: UUID
    line: int
    account_id: UUID
    given_at: datetime
    consented_at: datetime
    messages: tuple[tuple[str, str], ...]
    answer: str

    @property
    def question(self) -> str:
        """The content of the last message."""
        return self.messages[-1][1]

    @property
    def digest(self) -> bytes:
        """SHA-256 of the dialogue and answer, to detect changes after training."""
        return hashlib.sha256(json.dumps([self.messages, self.answer]).encode()).digest()

    @property
    def normalized_dialogue(self) -> str:
        """The dialogue as JSON with normalized whitespace, to find duplicates."""
        return json.dumps([(role, " ".join(content.split())) for role, content in self.messages])

    @property
    def normalized_answer(self) -> str:
        """The answer with normalized whitespace."""
        return " ".join(self.answer.split())


@dataclass(frozen=True, slots=True)
class SelectionRules:
    """The minimum numbers of accounts and examples to train a version."""

    min_accounts: int = 3
    min_examples: int = 50

    @property
    def max_account_share(self) -> float:
        """The maximum share of examples from one account: 0.4, or 1 / min_accounts if more."""
        return max(_MAX_ACCOUNT_SHARE, 1 / self.min_accounts)


@dataclass(frozen=True, slots=True)
class SelectedExamples:
    """Training and held-out examples, and the number of excluded ones by reason."""

    training: tuple[SharedExample, ...]
    held_out: tuple[SharedExample, ...]
    excluded: dict[str, int]

    @property
    def with_held_out_flag(self) -> tuple[tuple[SharedExample, bool], ...]:
        """All examples as pairs with a flag that is true for held-out ones."""
        return tuple((example, False) for example in self.training) + tuple(
            (example, True) for example in self.held_out
        )

    @property
    def digest(self) -> str:
        """A digest of the set of examples, independent of their order."""
        return hashlib.sha256(
            b"".join(sorted(example.digest for example, _ in self.with_held_out_flag))
        ).hexdigest()


def select_examples(
    candidates: Iterable[SharedExample], test_questions: Collection[str], rules: SelectionRules
) -> SelectedExamples:
    """Select training and held-out examples from the candidates.

    `test_questions` are the questions of our own hold-out tasks, which must not be trained on.
    Raises TooFewExamples.
    """
    all_candidates = list(candidates)
    excluded_questions = {normalize_text(question) for question in test_questions}
    usable = [
        example
        for example in all_candidates
        if _is_short(example) and normalize_text(example.question) not in excluded_questions
    ]
    unique = _deduplicate(usable)
    selected = _limit_account_shares(unique, rules.max_account_share)
    accounts = len({example.account_id for example in selected})
    if accounts < rules.min_accounts or len(selected) < rules.min_examples:
        raise TooFewExamples(
            f"{len(selected)} of {len(all_candidates)} examples from {accounts} accounts "
            f"qualify; at least {rules.min_examples} examples from {rules.min_accounts} "
            "accounts are needed."
        )
    excluded = {
        "too long, or judged by": len(all_candidates) - len(usable),
        "repeated or contradicted": len(usable) - len(unique),
        "over an account's share": len(unique) - len(selected),
    }
    held_out = tuple(example for example in selected if is_held_out(example.question))
    training = tuple(example for example in selected if not is_held_out(example.question))
    return SelectedExamples(training, held_out, excluded)


def is_held_out(question: str) -> bool:
    """Whether a question is held out. Depends on its words only, not on numbers or punctuation."""
    return stable_hash(normalize_text(question)) % HELD_OUT_EVERY == 0


def _is_short(example: SharedExample) -> bool:
    """Whether messages and answer together have at most MAX_BYTES bytes in UTF-8."""
    texts = [content for _, content in example.messages]
    return sum(len(text.encode()) for text in (*texts, example.answer)) <= MAX_BYTES


def _deduplicate(examples: Sequence[SharedExample]) -> list[SharedExample]:
    """Keep the newest answer per account and question; drop questions with differing answers."""
    newest: dict[tuple[UUID, str], SharedExample] = {}
    for example in sorted(examples, key=_recency_key):
        newest[example.account_id, example.normalized_dialogue] = example
    by_question: dict[str, list[SharedExample]] = defaultdict(list)
    for example in newest.values():
        by_question[example.normalized_dialogue].append(example)
    return [
        answers[0]
        for answers in by_question.values()
        if len({example.normalized_answer.casefold() for example in answers}) == 1
    ]


def _limit_account_shares(
    examples: Sequence[SharedExample], max_share: float
) -> list[SharedExample]:
    """Keep the newest examples of each account, up to its share of all kept examples."""
    counts = Counter(example.account_id for example in examples)
    limit = _max_per_account(counts.values(), max_share)
    taken: Counter[UUID] = Counter()
    selected = []
    for example in sorted(examples, key=_recency_key, reverse=True):
        if taken[example.account_id] < limit:
            taken[example.account_id] += 1
            selected.append(example)
    return selected


def _max_per_account(counts: Collection[int], max_share: float) -> int:
    """Return the largest limit that keeps each account within `max_share` of the total."""
    for limit in range(min(max(counts, default=0), MAX_PER_ACCOUNT), 0, -1):
        # 1e-9: the share is a float, and a third of three must be one.
        if limit <= max_share * sum(min(count, limit) for count in counts) + 1e-9:
            return limit
    return 0


def _recency_key(example: SharedExample) -> tuple[datetime, UUID, int]:
    """Return the key that sorts examples from oldest to newest, ties by source and line."""
    return example.given_at, example.source_id, example.line
