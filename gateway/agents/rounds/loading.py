"""What belongs to a round: answers, photos, names of assets, and the round before it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile
from gateway.agents.rounds.answers import Place, RoundAnswer, newest
from gateway.agents.rounds.findings import Classified
from gateway.tables.agents_rounds import (
    AgentRound,
    AgentRoundAnswer,
    AgentRoundPhoto,
    RoundStatus,
)
from gateway.tables.plant import PlantAsset


@dataclass(frozen=True, slots=True)
class RoundContent:
    """What a report is made of.

    given: all answers, also corrected ones. authors: who gave an answer, by key. former: the
    answers of the round before, None without one. language: of the account's recipients.
    """

    given: Sequence[RoundAnswer]
    authors: Mapping[str, str | None]
    photos: Sequence[AgentRoundPhoto]
    asset_names: Mapping[str, str]
    former_round: UUID | None
    former: Mapping[Place, RoundAnswer]
    language: str

    @property
    def answers(self) -> Mapping[Place, RoundAnswer]:
        """The answers that count."""
        return newest(self.given)

    @property
    def classified(self) -> Sequence[Classified]:
        """The labels of the photos."""
        return [
            Classified((one.stop, one.question), one.label, one.probability) for one in self.photos
        ]


async def load_content(session: AsyncSession, row: AgentRound) -> RoundContent:
    """Load what a round's report is made of."""
    rows = await _answer_rows(session, row)
    former = await _former(session, row)
    codes = {stop["asset"] for stop in row.plan["stops"]}
    query = select(PlantAsset.code, PlantAsset.name).where(
        col(PlantAsset.account_id) == row.account_id,
        col(PlantAsset.code).in_(codes),
        col(PlantAsset.retired_at).is_(None),
    )
    return RoundContent(
        given=[_answer(one) for one in rows],
        authors={one.key: one.answered_by for one in rows},
        photos=await photos_of(session, row),
        asset_names={code: name for code, name in (await session.execute(query)).all()},
        former_round=None if former is None else former.id,
        former={} if former is None else newest(await answers_of(session, former)),
        language=(await get_profile(session, row.account_id)).locale,
    )


async def answers_of(session: AsyncSession, row: AgentRound) -> list[RoundAnswer]:
    """Return all answers of a round in the order in which they came."""
    return [_answer(one) for one in await _answer_rows(session, row)]


async def photos_of(session: AsyncSession, row: AgentRound) -> Sequence[AgentRoundPhoto]:
    """Return the photos of a round in the order in which they came."""
    query = (
        select(AgentRoundPhoto)
        .where(
            col(AgentRoundPhoto.account_id) == row.account_id,
            col(AgentRoundPhoto.round_id) == row.id,
        )
        .order_by(col(AgentRoundPhoto.id))
    )
    return (await session.scalars(query)).all()


async def count_photos(session: AsyncSession, row: AgentRound) -> Mapping[Place, int]:
    """Return the number of photos of each question."""
    return Counter((one.stop, one.question) for one in await photos_of(session, row))


async def _answer_rows(session: AsyncSession, row: AgentRound) -> Sequence[AgentRoundAnswer]:
    """Return the rows of a round's answers in the order in which they came."""
    query = (
        select(AgentRoundAnswer)
        .where(
            col(AgentRoundAnswer.account_id) == row.account_id,
            col(AgentRoundAnswer.round_id) == row.id,
        )
        .order_by(col(AgentRoundAnswer.id))
    )
    return (await session.scalars(query)).all()


async def _former(session: AsyncSession, row: AgentRound) -> AgentRound | None:
    """Return the round of the agent that was submitted before this one."""
    query = (
        select(AgentRound)
        .where(
            col(AgentRound.account_id) == row.account_id,
            col(AgentRound.agent_id) == row.agent_id,
            col(AgentRound.id) != row.id,
            col(AgentRound.status) == RoundStatus.SUBMITTED,
            col(AgentRound.submitted_at) < row.submitted_at,
        )
        .order_by(col(AgentRound.submitted_at).desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


def _answer(row: AgentRoundAnswer) -> RoundAnswer:
    """Return the answer of a row."""
    value = float(row.value) if isinstance(row.value, int | float) else row.value
    place = (row.stop, row.question)
    return RoundAnswer(row.key, place, value, row.unit, row.note, row.answered_at)
