"""Legal entities: creation, validation and update."""

import pytest

from billing.accounts.entities import (
    EntityUpdate,
    LegalEntityInvalid,
    LegalEntityNotFound,
    LegalEntityTaken,
    create_entity,
    entity_to_json,
    get_entity,
    list_entities,
    update_entity,
)
from infra.database.database import Database
from tests.support.billing.making import CLOCK, sql

SELLER = EntityUpdate("上海销售有限公司", "上海市 1 号", "91310000X")


class TestEntityCreation:
    async def test_new_entities_are_listed_after_the_first(self, database: Database) -> None:
        async with database.transaction() as session:
            made = await create_entity(session, CLOCK, "SH", SELLER)
            bare = await create_entity(session, CLOCK, "US2", EntityUpdate("Seller Inc."))
            assert [one.code for one in await list_entities(session)] == ["MAAS", "SH", "US2"]
            assert (bare.address, bare.tax_number) == ("", "")
            assert entity_to_json(made) == {
                "code": "SH",
                "name": "上海销售有限公司",
                "address": "上海市 1 号",
                "tax_number": "91310000X",
                "created_at": made.created_at.isoformat(),
            }
            await session.rollback()

    @pytest.mark.parametrize("code", ["", "maas", "9A", "A" * 11, "A-B", "A B", "A\n"])
    async def test_invalid_code_is_rejected(self, database: Database, code: str) -> None:
        async with database.transaction() as session:
            with pytest.raises(LegalEntityInvalid, match="capital letters"):
                await create_entity(session, CLOCK, code, SELLER)
        assert len(await sql(database, "select 1 from legal_entity")) == 1

    @pytest.mark.parametrize(
        ("wish", "param"),
        [
            (EntityUpdate(), "name"),
            (EntityUpdate(" "), "name"),
            (EntityUpdate("x" * 501), "name"),
            (EntityUpdate("x", address="x" * 501), "address"),
            (EntityUpdate("x", tax_number="x" * 501), "tax_number"),
        ],
    )
    async def test_missing_or_too_long_field_is_rejected(
        self, database: Database, wish: EntityUpdate, param: str
    ) -> None:
        async with database.transaction() as session:
            with pytest.raises(LegalEntityInvalid) as caught:
                await create_entity(session, CLOCK, "SH", wish)
        assert caught.value.param == param

    async def test_duplicate_code_raises_legal_entity_taken(self, database: Database) -> None:
        async with database.transaction() as session:
            with pytest.raises(LegalEntityTaken):
                await create_entity(session, CLOCK, "MAAS", SELLER)


class TestEntityUpdate:
    async def test_omitted_fields_are_unchanged(self, database: Database) -> None:
        async with database.transaction() as session:
            await create_entity(session, CLOCK, "SH", SELLER)
            await update_entity(session, "SH", EntityUpdate(address=""))
            now = await get_entity(session, "SH")
            assert (now.name, now.address, now.tax_number) == (SELLER.name, "", SELLER.tax_number)
            await session.rollback()

    async def test_unknown_code_raises_not_found(self, database: Database) -> None:
        async with database.transaction() as session:
            with pytest.raises(LegalEntityNotFound):
                await update_entity(session, "SH", SELLER)
