"""OFD and PDF files of issued fapiao: stored by the operator, downloaded by the customer."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID
from zipfile import BadZipFile, ZipFile

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.fapiao.amounts import FapiaoStatus
from billing.fapiao.errors import FapiaoFileInvalid, FapiaoNotFound, InvalidFapiaoState
from billing.fapiao.requests import get_fapiao
from billing.tables import FapiaoFile
from infra.clock import Clock

MAX_FILE_BYTES = 5 << 20
_OFD_ENTRY = "OFD.xml"  # GB/T 33190-2016: the entry of every OFD package


class FileFormat(StrEnum):
    """The formats in which the tax platform delivers fapiao."""

    PDF = "pdf"
    OFD = "ofd"

    @property
    def media_type(self) -> str:
        """The media type of the format."""
        return f"application/{self.value}"


def detect_format(content: bytes) -> FileFormat:
    """Return the format of a file by its content. Raises FapiaoFileInvalid."""
    if len(content) > MAX_FILE_BYTES:
        raise FapiaoFileInvalid("The file is too large: the maximum is 5 MiB.", param="upload")
    if content.startswith(b"%PDF-"):
        return FileFormat.PDF
    try:
        with ZipFile(io.BytesIO(content)) as package:
            if _OFD_ENTRY in package.namelist():
                return FileFormat.OFD
    except BadZipFile:
        pass
    raise FapiaoFileInvalid("The file is neither an OFD nor a PDF file.", param="upload")


async def store_file(
    session: AsyncSession, clock: Clock, account_id: UUID, fapiao_id: UUID, content: bytes
) -> FileFormat:
    """Store the file of an issued fapiao; a file of the same format is replaced.

    Raises FapiaoNotFound, InvalidFapiaoState, FapiaoFileInvalid.
    """
    row = await get_fapiao(session, account_id, fapiao_id)
    if row.status != FapiaoStatus.ISSUED:
        raise InvalidFapiaoState("The fapiao has no number yet. Import the result list first.")
    found = detect_format(content)
    values = {"size": len(content), "content": content, "stored_at": clock.now()}
    await session.execute(
        insert(FapiaoFile)
        .values(fapiao_id=row.id, format=found.value, account_id=account_id, **values)
        .on_conflict_do_update(index_elements=["fapiao_id", "format"], set_=values)
    )
    return found


@dataclass(frozen=True, slots=True)
class FapiaoDownload:
    """A file of a fapiao, named by the fapiao's number."""

    name: str
    media_type: str
    content: bytes


async def read_file(
    session: AsyncSession, account_id: UUID, fapiao_id: UUID, wanted: str
) -> FapiaoDownload:
    """Return the file of a fapiao in a format. Raises FapiaoNotFound, also for other formats."""
    row = await get_fapiao(session, account_id, fapiao_id)
    query = select(FapiaoFile.content).where(
        col(FapiaoFile.account_id) == account_id,
        col(FapiaoFile.fapiao_id) == fapiao_id,
        col(FapiaoFile.format) == wanted,
    )
    content = (await session.scalars(query)).one_or_none()
    if content is None:
        raise FapiaoNotFound("The fapiao has no file of this format yet.", param="format")
    return FapiaoDownload(f"{row.number}.{wanted}", FileFormat(wanted).media_type, content)


async def list_formats(
    session: AsyncSession, account_id: UUID, fapiao_ids: Sequence[UUID]
) -> dict[UUID, tuple[str, ...]]:
    """Return the formats of the files of fapiao, by fapiao id; those without files are left out."""
    query = (
        select(FapiaoFile.fapiao_id, FapiaoFile.format)
        .where(col(FapiaoFile.account_id) == account_id, col(FapiaoFile.fapiao_id).in_(fapiao_ids))
        .order_by(col(FapiaoFile.format).desc())
    )
    formats: dict[UUID, tuple[str, ...]] = {}
    for fapiao_id, name in (await session.execute(query)).all():
        formats[fapiao_id] = (*formats.get(fapiao_id, ()), name)
    return formats
