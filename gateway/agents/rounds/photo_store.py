"""Add photos to answers, and read them back; the files are those of `/v1/files`."""

import hashlib
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.definitions.rounds import RoundPlan
from gateway.agents.public_ids import PHOTO
from gateway.agents.rounds.answers import MAX_KEY, Place, find_question
from gateway.agents.rounds.errors import RoundNotFound, RoundPhotoInvalid
from gateway.agents.rounds.loading import photos_of
from gateway.agents.rounds.photos import Photo
from gateway.agents.rounds.store import find_round, read_plan, require_open
from gateway.agents.store.agents import AgentChange
from gateway.registry import files
from gateway.tables.agents_rounds import AgentRound, AgentRoundPhoto
from infra import ids

_PURPOSE = "user_data"


async def add_photo(
    change: AgentChange, round_id: str, place: Place, key: str, photo: Photo
) -> AgentRoundPhoto:
    """Add a photo to a question; one whose key is known is returned as it is.

    Raises RoundNotFound, RoundClosed, RoundAnswerInvalid, RoundPhotoInvalid, TooManyFiles.
    """
    row = await find_round(change.session, change.account_id, round_id, is_locked=True)
    if not 0 < len(key) <= MAX_KEY or "\0" in key:
        raise RoundPhotoInvalid(f"`key` has 1 to {MAX_KEY} characters.", param="key")
    present = await photos_of(change.session, row)
    for one in present:
        if one.key == key:
            return one
    require_open(row)
    _require_room(read_plan(row), place, sum((one.stop, one.question) == place for one in present))
    name = f"{place[0] + 1}-{place[1]}-{len(present) + 1}.jpg"
    stored = await files.create_file(
        change.session, change.clock, change.account_id, name, photo.content, _PURPOSE
    )
    added = AgentRoundPhoto(
        id=ids.new_id(),
        account_id=row.account_id,
        round_id=row.id,
        key=key,
        stop=place[0],
        question=place[1],
        file_id=stored.id,
        sha256=hashlib.sha256(photo.content).hexdigest(),
        size=len(photo.content),
        width=photo.width,
        height=photo.height,
        created_at=change.clock.now(),
        added_by=change.actor.public_id,
    )
    change.session.add(added)
    await change.session.flush()
    return added


async def read_photo_file(
    session: AsyncSession, row: AgentRound, photo: str
) -> tuple[AgentRoundPhoto, bytes]:
    """Return a photo of a round with its file. Raises RoundNotFound, FileNotFound."""
    query = select(AgentRoundPhoto).where(
        col(AgentRoundPhoto.account_id) == row.account_id,
        col(AgentRoundPhoto.round_id) == row.id,
        col(AgentRoundPhoto.id) == ids.parse_id(PHOTO, photo),
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise RoundNotFound(f"The round has no photo {photo[:60]!r}.", param="photo")
    return found, await files.read_content(session, row.account_id, found.file_id)


async def read_contents(
    session: AsyncSession, account_id: UUID, photos: list[AgentRoundPhoto]
) -> dict[UUID, bytes]:
    """Return the files of photos by the photo's id; files that were deleted are missing."""
    found = {}
    for one in photos:
        try:
            found[one.id] = await files.read_content(session, account_id, one.file_id)
        except files.FileNotFound:
            continue
    return found


def _require_room(plan: RoundPlan, place: Place, present: int) -> None:
    """Raise RoundPhotoInvalid if a question takes no photo, or no further one."""
    most = find_question(plan, place, "question").max_photos
    if present >= most:
        raise RoundPhotoInvalid(f"The question takes {most} photos at most.", param="question")
