"""Legal entities: the sellers on invoices, each with its own gapless number series."""

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
_MAX_LENGTH = 500


class LegalEntityInvalid(AppError):
    """The code, name, address or tax number is not valid."""

    status = 400
    type = "invalid_request_error"
    code = "legal_entity_invalid"


class LegalEntityTaken(AppError):
    """Another legal entity has this code."""

    status = 409
    type = "invalid_request_error"
    code = "legal_entity_taken"


class LegalEntityNotFound(AppError):
    """No legal entity has this code."""

    status = 404
    type = "invalid_request_error"
    code = "legal_entity_not_found"


@dataclass(frozen=True, slots=True)
class EntityUpdate:
    """New values of a legal entity; None leaves a field unchanged."""

    name: str | None = None
    address: str | None = None
    tax_number: str | None = None


async def create_entity(
    session: AsyncSession, clock: Clock, code: str, update: EntityUpdate
) -> LegalEntity:
    """Create a legal entity; its invoices are numbered `CODE-000001` and so on.

    Raises LegalEntityInvalid, LegalEntityTaken.
    """
    if _CODE.fullmatch(code) is None:
        raise LegalEntityInvalid(
            "A code must have 1 to 10 capital letters and digits.", param="code"
        )
    values = _validated_values(update)
    if not values.get("name"):
        raise LegalEntityInvalid("A legal entity must have a name.", param="name")
    inserted = await session.execute(
        insert(LegalEntity)
        .values(id=ids.new_id(), code=code, created_at=clock.now(), **_fill_missing_fields(values))
        .on_conflict_do_nothing(index_elements=["code"])
        .returning(col(LegalEntity.id))
    )
    if inserted.scalar_one_or_none() is None:
        raise LegalEntityTaken(
            f"A legal entity with the code {code!r} exists already.", param="code"
        )
    return await get_entity(session, code)


async def get_entity(session: AsyncSession, code: str) -> LegalEntity:
    """Return the legal entity with this code. Raises LegalEntityNotFound."""
    query = select(LegalEntity).where(col(LegalEntity.code) == code)
    entity = (await session.scalars(query)).one_or_none()
    if entity is None:
        raise LegalEntityNotFound(f"Legal entity not found: {code[:40]!r}.", param="code")
    return entity


async def update_entity(session: AsyncSession, code: str, update: EntityUpdate) -> LegalEntity:
    """Update the set fields of a legal entity; final invoices keep their stored values.

    Raises LegalEntityInvalid, LegalEntityNotFound.
    """
    entity = await get_entity(session, code)
    for name, value in _validated_values(update).items():
        setattr(entity, name, value)
    await session.flush()
    return entity


async def list_entities(session: AsyncSession) -> list[LegalEntity]:
    """List legal entities, oldest first; the oldest is the seller of new accounts."""
    query = select(LegalEntity).order_by(col(LegalEntity.created_at), col(LegalEntity.id))
    return list((await session.scalars(query)).all())


def entity_to_json(entity: LegalEntity) -> dict[str, Any]:
    """Return the legal entity as the API and the CLI show it."""
    return {
        "code": entity.code,
        "name": entity.name,
        "address": entity.address,
        "tax_number": entity.tax_number,
        "created_at": entity.created_at.isoformat(),
    }


def _validated_values(update: EntityUpdate) -> dict[str, str]:
    """Return the set fields by name, length-checked. Raises LegalEntityInvalid."""
    fields = {"name": update.name, "address": update.address, "tax_number": update.tax_number}
    values = {name: value for name, value in fields.items() if value is not None}
    for name, value in values.items():
        if len(value) > _MAX_LENGTH or (name == "name" and not value.strip()):
            message = (
                f"{name} must have 1 to {_MAX_LENGTH} characters; address and tax number may "
                "be empty."
            )
            raise LegalEntityInvalid(message, param=name)
    return values


def _fill_missing_fields(values: dict[str, str]) -> dict[str, str]:
    """Return the values, with an empty `address` and `tax_number` if these are missing."""
    return {"address": "", "tax_number": "", **values}
