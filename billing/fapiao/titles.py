"""Buyer titles of an account: create, list, choose the default, remove."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.fapiao.errors import FapiaoTitleInvalid, FapiaoTitleNotFound
from billing.fapiao.title_fields import TitleFields, validated_title
from billing.tables import FapiaoTitle
from infra import ids
from infra.clock import Clock

TITLE_ID_PREFIX = "fpt"
MAX_TITLES = 50


async def create_title(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    fields: TitleFields,
    *,
    is_default: bool = False,
) -> FapiaoTitle:
    """Add a buyer title; the first one of an account becomes its default.

    Raises FapiaoTitleInvalid.
    """
    valid = validated_title(fields)
    await lock_profile(session, account_id)
    existing = await list_titles(session, account_id)
    if len(existing) >= MAX_TITLES:
        raise FapiaoTitleInvalid(f"An account can have at most {MAX_TITLES} buyer titles.")
    becomes_default = is_default or not existing
    if becomes_default:
        await _clear_default(session, account_id)
    title = FapiaoTitle(
        id=ids.new_id(),
        account_id=account_id,
        is_default=becomes_default,
        created_at=clock.now(),
        kind=valid.kind,
        name=valid.name,
        tax_number=valid.tax_number,
        address=valid.address,
        phone=valid.phone,
        bank_name=valid.bank_name,
        bank_account=valid.bank_account,
        email=valid.email,
    )
    session.add(title)
    await session.flush()
    return title


async def list_titles(session: AsyncSession, account_id: UUID) -> Sequence[FapiaoTitle]:
    """List an account's buyer titles, the default first, then the oldest first."""
    query = select(FapiaoTitle).where(
        col(FapiaoTitle.account_id) == account_id, col(FapiaoTitle.removed_at).is_(None)
    )
    order = col(FapiaoTitle.is_default).desc(), col(FapiaoTitle.id)
    return (await session.scalars(query.order_by(*order))).all()


async def get_title(session: AsyncSession, account_id: UUID, title_id: UUID | None) -> FapiaoTitle:
    """Return one of the account's titles, or its default for None. Raises FapiaoTitleNotFound."""
    titles = await list_titles(session, account_id)
    for title in titles:
        if title.id == title_id or (title_id is None and title.is_default):
            return title
    if title_id is None:
        raise FapiaoTitleNotFound("The account has no buyer title. Add one first.", param="title")
    raise FapiaoTitleNotFound("The account has no such buyer title.", param="title")


async def set_default_title(session: AsyncSession, account_id: UUID, title_id: UUID) -> FapiaoTitle:
    """Make a title the account's default. Raises FapiaoTitleNotFound."""
    await lock_profile(session, account_id)
    title = await get_title(session, account_id, title_id)
    await _clear_default(session, account_id)
    title.is_default = True
    await session.flush()
    return title


async def remove_title(
    session: AsyncSession, clock: Clock, account_id: UUID, title_id: UUID
) -> FapiaoTitle:
    """Remove a title; fapiao that were requested with it keep it. Raises FapiaoTitleNotFound.

    If it was the default, the oldest of the others becomes the default.
    """
    await lock_profile(session, account_id)
    title = await get_title(session, account_id, title_id)
    was_default = title.is_default
    title.removed_at, title.is_default = clock.now(), False
    await session.flush()
    others = await list_titles(session, account_id)
    if was_default and others:
        others[0].is_default = True
        await session.flush()
    return title


def title_fields(title: FapiaoTitle) -> TitleFields:
    """Return the fields of a stored title."""
    return TitleFields(**{name: getattr(title, name) for name in TitleFields.__slots__})


async def _clear_default(session: AsyncSession, account_id: UUID) -> None:
    """Leave the account without a default title. The billing profile must be locked."""
    statement = (
        update(FapiaoTitle)
        .where(col(FapiaoTitle.account_id) == account_id, col(FapiaoTitle.is_default))
        .values(is_default=False)
    )
    await session.execute(statement)
