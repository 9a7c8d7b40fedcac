"""Reading what accounts agreed to share: corrected and praised answers, and training files.

Owns what consent is: of feedback that the account gave it and has not taken it back; of a training
file that the job which learned from it says so. What is deleted is not there any more.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.fine_tuning.pii_scrubber import scrubbed
from gateway.shared_models.examples import Example, Source
from gateway.tables import Adaptation, Feedback, TrainingFile
from models.adaptation import TrainingFileInvalid
from models.industrial_llm.dialogues import Dialogue, read

Scrub = Callable[[str], str]
"""Takes what is personal out of a text."""
_Shared = tuple[Adaptation, bytes, datetime]


def without_personal_data(text: str) -> str:
    """As training files are scrubbed, where their customers ask for it: here whoever shares."""
    return scrubbed(text, Counter())


async def collect(session: AsyncSession, model: str, scrub: Scrub) -> list[Example]:
    """All that may be learned from of all accounts, scrubbed."""
    given, shared = await _of_feedback(session, model), await _of_files(session, model)
    # Seconds for many files, while whoever proposes has to say that it lives.
    return await asyncio.to_thread(_read, given, shared, scrub)


async def _of_feedback(session: AsyncSession, model: str) -> list[Example]:
    query = select(Feedback).where(col(Feedback.model) == model, col(Feedback.answer).is_not(None))
    return [
        Example(
            source=Source.FEEDBACK,
            source_id=row.id,
            line=0,
            account_id=row.account_id,
            given_at=row.changed_at,
            consented_at=row.consented_at,
            messages=tuple((one["role"], one["content"]) for one in row.messages),
            answer=row.answer,
        )
        for row in (await session.scalars(query)).all()
        if row.messages is not None and row.answer is not None and row.consented_at is not None
    ]


async def _of_files(session: AsyncSession, model: str) -> list[_Shared]:
    query = (
        select(Adaptation, TrainingFile)
        .join(TrainingFile, col(TrainingFile.id) == col(Adaptation.training_file_id))
        .where(col(Adaptation.model) == model, col(Adaptation.shared_at).is_not(None))
        .where(col(TrainingFile.account_id) == col(Adaptation.account_id))
    )
    rows = (await session.execute(query)).all()
    return [(job, file.content, job.shared_at) for job, file in rows if job.shared_at is not None]


def _read(given: Iterable[Example], shared: Iterable[_Shared], scrub: Scrub) -> list[Example]:
    of_files = (one for file in shared for one in _of_file(*file))
    return [_scrubbed(one, scrub) for one in (*given, *of_files)]


def _of_file(job: Adaptation, content: bytes, shared_at: datetime) -> Iterator[Example]:
    try:
        given = read(content)
    except TrainingFileInvalid:  # the job came to nothing either
        return
    for one in (*given.learned, *given.apart):
        yield _of_line(job, one, shared_at)


def _of_line(job: Adaptation, one: Dialogue, shared_at: datetime) -> Example:
    return Example(
        source=Source.FILE,
        source_id=job.id,
        line=one.line,
        account_id=job.account_id,
        given_at=shared_at,
        consented_at=shared_at,
        messages=one.question,
        answer=one.turns[-1][1],
    )


def _scrubbed(example: Example, scrub: Scrub) -> Example:
    messages = tuple((role, scrub(content)) for role, content in example.messages)
    return replace(example, messages=messages, answer=scrub(example.answer))
