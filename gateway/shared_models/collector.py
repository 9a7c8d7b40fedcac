"""Collect training examples that accounts consented to share: rated answers and training files.

Consent to feedback is stored with it; consent to a training file is stored with the job that used
the file. Deleted feedback and files are not included.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.fine_tuning.pii_scrubber import scrub_text
from gateway.shared_models.examples import ExampleSource, SharedExample
from gateway.tables import Adaptation, Feedback, TrainingFile
from models.adaptation import TrainingFileInvalid
from models.industrial_llm.dialogues import Dialogue, parse_training_file

Scrubber = Callable[[str], str]
"""Removes personal data from a text."""
_SharedFile = tuple[Adaptation, bytes, datetime]


def scrub_personal_data(text: str) -> str:
    """Replace personal data in a text with placeholders."""
    return scrub_text(text, Counter())


async def collect_examples(
    session: AsyncSession, model: str, scrub: Scrubber
) -> list[SharedExample]:
    """Return the scrubbed examples of all accounts that consented, for one model."""
    feedback_examples = await _list_feedback_examples(session, model)
    shared_files = await _list_shared_files(session, model)
    # In a thread: parsing many files takes seconds, and the proposer must send heartbeats.
    return await asyncio.to_thread(_read_and_scrub, feedback_examples, shared_files, scrub)


async def _list_feedback_examples(session: AsyncSession, model: str) -> list[SharedExample]:
    """Return the examples of consented feedback on a model."""
    query = select(Feedback).where(col(Feedback.model) == model, col(Feedback.answer).is_not(None))
    return [
        SharedExample(
            source=ExampleSource.FEEDBACK,
            source_id=row.id,
            line=0,
            account_id=row.account_id,
            given_at=row.changed_at,
            consented_at=row.consented_at,
            messages=tuple((message["role"], message["content"]) for message in row.messages),
            answer=row.answer,
        )
        for row in (await session.scalars(query)).all()
        if row.messages is not None and row.answer is not None and row.consented_at is not None
    ]


async def _list_shared_files(session: AsyncSession, model: str) -> list[_SharedFile]:
    """Return job, file content and consent time of the shared training files of a model."""
    query = (
        select(Adaptation, TrainingFile)
        .join(TrainingFile, col(TrainingFile.id) == col(Adaptation.training_file_id))
        .where(col(Adaptation.model) == model, col(Adaptation.shared_at).is_not(None))
        .where(col(TrainingFile.account_id) == col(Adaptation.account_id))
    )
    rows = (await session.execute(query)).all()
    return [(job, file.content, job.shared_at) for job, file in rows if job.shared_at is not None]


def _read_and_scrub(
    feedback_examples: Iterable[SharedExample], shared_files: Iterable[_SharedFile], scrub: Scrubber
) -> list[SharedExample]:
    """Return all examples from feedback and files, with personal data replaced by `scrub`."""
    file_examples = (example for file in shared_files for example in _file_examples(*file))
    return [_scrub_example(item, scrub) for item in (*feedback_examples, *file_examples)]


def _file_examples(job: Adaptation, content: bytes, shared_at: datetime) -> Iterator[SharedExample]:
    """Yield an example for each dialogue of a training file; none if the file is invalid."""
    try:
        dialogues = parse_training_file(content)
    except TrainingFileInvalid:  # the job failed too
        return
    for dialogue in (*dialogues.train, *dialogues.held_out):
        yield _line_example(job, dialogue, shared_at)


def _line_example(job: Adaptation, dialogue: Dialogue, shared_at: datetime) -> SharedExample:
    """Convert a dialogue of a training file to an example; `shared_at` is the consent time."""
    return SharedExample(
        source=ExampleSource.FILE,
        source_id=job.id,
        line=dialogue.line,
        account_id=job.account_id,
        given_at=shared_at,
        consented_at=shared_at,
        messages=dialogue.question,
        answer=dialogue.turns[-1][1],
    )


def _scrub_example(example: SharedExample, scrub: Scrubber) -> SharedExample:
    """Return the example with `scrub` applied to all messages and the answer."""
    messages = tuple((role, scrub(content)) for role, content in example.messages)
    return replace(example, messages=messages, answer=scrub(example.answer))
