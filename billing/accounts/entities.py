"""Legal entities: those who sell, and whose invoices are numbered without gaps."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import LegalEntity
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

_CODE = re.compile("[A-Z][A-Z0-9]{0,9}")
_LONGEST = 500


class LegalEntityInvalid(AppError):
    """A code, name, address or tax number that cannot be."""

    status = 400
    type = "invalid_request_error"
    code = "legal_entity_invalid"


class LegalEntityTaken(AppError):
    """There is one with this code."""

    status = 409
    type = "invalid_request_error"
    code = "legal_entity_taken"


class LegalEntityNotFound(AppError):
    """There is none with this code."""

    status = 404
    type = "invalid_request_error"
    code = "legal_entity_not_found"


@dataclass(frozen=True, slots=True)
class EntityWish:
    """What is to be said of an entity; None leaves it as it is."""

    name: str | None = None
    address: str | None = None
    tax_number: str | None = None


async def open_entity(
    session: AsyncSession, clock: Clock, code: str, wish: EntityWish
) -> LegalEntity:
    """Another legal entity that sells; its invoices are `CODE-000001` and so on. Raises
    LegalEntityInvalid, LegalEntityTaken."""
    if _CODE.fullmatch(code) is None:
        raise LegalEntityInvalid("A code is 1 to 10 capital letters and digits.", param="code")
    values = _checked(wish)
    if not values.get("name"):
        raise LegalEntityInvalid("A legal entity has a name.", param="name")
    made = await session.execute(
        insert(LegalEntity)
        .values(id=ids.new_id(), code=code, created_at=clock.now(), **_blank(values))
        .on_conflict_do_nothing(index_elements=["code"])
        .returning(col(LegalEntity.id))
    )
    if made.scalar_one_or_none() is None:
        raise LegalEntityTaken(f"There is a legal entity {code!r}.", param="code")
    return await get_entity(session, code)


async def get_entity(session: AsyncSession, code: str) -> LegalEntity:
    """Raises LegalEntityNotFound."""
    query = select(LegalEntity).where(col(LegalEntity.code) == code)
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise LegalEntityNotFound(f"There is no legal entity {code[:40]!r}.", param="code")
    return found


async def change_entity(session: AsyncSession, code: str, wish: EntityWish) -> LegalEntity:
    """What invoices say from now on; final ones keep what they say. Raises LegalEntityInvalid,
    LegalEntityNotFound."""
    entity = await get_entity(session, code)
    for name, value in _checked(wish).items():
        setattr(entity, name, value)
    await session.flush()
    return entity


async def list_entities(session: AsyncSession) -> list[LegalEntity]:
    """The oldest, which sells to new accounts, first."""
    query = select(LegalEntity).order_by(col(LegalEntity.created_at), col(LegalEntity.id))
    return list((await session.scalars(query)).all())


def entity_json(entity: LegalEntity) -> dict[str, Any]:
    return {
        "code": entity.code,
        "name": entity.name,
        "address": entity.address,
        "tax_number": entity.tax_number,
        "created_at": entity.created_at.isoformat(),
    }


def _checked(wish: EntityWish) -> dict[str, str]:
    said = {"name": wish.name, "address": wish.address, "tax_number": wish.tax_number}
    values = {name: value for name, value in said.items() if value is not None}
    for name, value in values.items():
        if len(value) > _LONGEST or (name == "name" and not value.strip()):
            what = f"{name} has 1 to {_LONGEST} characters; address and tax number may be empty."
            raise LegalEntityInvalid(what, param=name)
    return values


def _blank(values: dict[str, str]) -> dict[str, str]:
    """With what was not said left empty."""
    return {"address": "", "tax_number": "", **values}
