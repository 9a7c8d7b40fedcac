"""Billing profiles: validation, update, defaults and time zones."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from billing.accounts.entities import EntityUpdate, create_entity
from billing.accounts.profiles import (
    DEFAULT_PROFILE,
    NewProfile,
    ProfileInvalid,
    create_profile,
    get_account_currency,
    get_profile,
    list_time_zones,
    profile_tax,
    profile_time_zone,
    update_profile,
    validate_email,
)
from billing.dates import TimeZoneUnknown
from billing.rating.taxes import Tax, TaxTreatment
from billing.tables import LegalEntity
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import CLOCK, customer

GOOD: list[tuple[str, Any]] = [
    ("time_zone", "America/New_York"),
    ("tax_treatment", "reverse_charge"),
    ("collection", "stripe_invoice"),
    ("tax_ppm", 0),
    ("tax_ppm", 1_000_000),
    ("net_days", 0),
    ("net_days", 365),
    ("locale", "en"),
    ("email", ""),
    ("email", "accounts@acme.example"),
    ("billing_name", "精密机械有限公司"),
    ("address", "a" * 500),
    ("tax_number", "91310000MA1K00000X"),
]
WRONG: list[tuple[str, Any]] = [
    ("tax_treatment", "none"),
    ("collection", "cash"),
    ("tax_ppm", -1),
    ("tax_ppm", 1_000_001),
    ("net_days", -1),
    ("net_days", 366),
    ("locale", "fr"),
    ("email", "nobody"),
    ("email", "a b@acme.example"),
    ("email", "a@b@acme.example"),
    ("billing_name", "a" * 501),
    ("address", "a" * 501),
    ("tax_number", "a" * 501),
    ("anchor_day", 5),
    ("external_customer", "cus_1"),
]


class TestProfileUpdate:
    @pytest.mark.parametrize(("name", "value"), GOOD)
    async def test_valid_field_is_stored(self, database: Database, name: str, value: Any) -> None:
        made = await customer(database)
        async with database.transaction() as session:
            await update_profile(session, made.account_id, **{name: value})
        async with database.transaction() as session:
            assert getattr(await get_profile(session, made.account_id), name) == value

    @pytest.mark.parametrize(("name", "value"), WRONG)
    async def test_invalid_field_is_rejected_and_profile_unchanged(
        self, database: Database, name: str, value: Any
    ) -> None:
        made = await customer(database)
        with pytest.raises(ProfileInvalid) as raised:
            async with database.transaction() as session:
                await update_profile(session, made.account_id, **{"locale": "en", name: value})
        assert raised.value.param == name
        async with database.transaction() as session:
            assert (await get_profile(session, made.account_id)).locale == "zh"

    async def test_unknown_time_zone_is_rejected(self, database: Database) -> None:
        made = await customer(database)
        async with database.transaction() as session:
            with pytest.raises(TimeZoneUnknown):
                await update_profile(session, made.account_id, time_zone="Mars/Olympus")

    async def test_legal_entity_can_be_changed(self, database: Database) -> None:
        made = await customer(database)
        async with database.transaction() as session:
            entity = await create_entity(session, CLOCK, "SELLER2", EntityUpdate("Seller"))
            await update_profile(session, made.account_id, legal_entity_id=entity.id)
            assert (await get_profile(session, made.account_id)).legal_entity_id == entity.id
            await session.rollback()


class TestProfileCreation:
    @pytest.mark.parametrize(
        "new",
        [
            NewProfile(tax_ppm=1_000_001),
            NewProfile(tax_ppm=-1),
            NewProfile(net_days=400),
            NewProfile(locale="fr"),
            NewProfile(time_zone="Mars/Olympus"),
        ],
    )
    async def test_invalid_profile_is_rejected(self, database: Database, new: NewProfile) -> None:
        made = await customer(database)
        async with database.transaction() as session:
            with pytest.raises((ProfileInvalid, TimeZoneUnknown)):
                await create_profile(session, made.account_id, new)

    async def test_second_creation_keeps_existing_profile(self, database: Database) -> None:
        made = await customer(database)
        async with database.transaction() as session:
            await create_profile(session, made.account_id, NewProfile(net_days=7))
        async with database.transaction() as session:
            assert (
                await get_profile(session, made.account_id)
            ).net_days == DEFAULT_PROFILE.net_days

    async def test_default_seller_is_the_first_legal_entity(self, database: Database) -> None:
        made = await customer(database)
        async with database.transaction() as session:
            await create_entity(session, CLOCK, "SELLER2", EntityUpdate("Seller"))
            await session.execute(text("delete from billing_profile"))
            await create_profile(session, made.account_id, DEFAULT_PROFILE)
            profile = await get_profile(session, made.account_id)
            entity = await session.get_one(LegalEntity, profile.legal_entity_id)
            assert entity.code == "MAAS"
            await session.rollback()

    async def test_creation_without_legal_entity_is_rejected(self, database: Database) -> None:
        async with database.transaction() as session:
            await session.execute(text("delete from legal_entity"))
            with pytest.raises(ProfileInvalid, match="no legal entity"):
                await create_profile(session, ids.new_id(), DEFAULT_PROFILE)
            await session.rollback()


class TestProfileValues:
    async def test_profile_returns_time_zone_tax_and_currency(self, database: Database) -> None:
        made = await customer(database)
        async with database.transaction() as session:
            profile = await update_profile(
                session, made.account_id, tax_ppm=60_000, tax_treatment="exempt"
            )
            assert profile_time_zone(profile) == ZoneInfo("Asia/Shanghai")
            assert profile_tax(profile) == Tax(TaxTreatment.EXEMPT, 60_000)
            assert await get_account_currency(session, made.account_id) == "CNY"


class TestTimeZoneList:
    async def test_time_zones_are_listed_for_one_or_all_accounts(self, database: Database) -> None:
        here, there = await customer(database), await customer(database, name="B")
        async with database.transaction() as session:
            await update_profile(session, there.account_id, time_zone="America/New_York")
        shanghai, new_york = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
        async with database.transaction() as session:
            assert await list_time_zones(session, there.account_id) == {there.account_id: new_york}
            assert await list_time_zones(session, None) == {
                here.account_id: shanghai,
                there.account_id: new_york,
            }

    async def test_unknown_account_has_no_time_zone(self, database: Database) -> None:
        await customer(database)
        async with database.transaction() as session:
            assert await list_time_zones(session, ids.new_id()) == {}


class TestEmailValidation:
    @pytest.mark.parametrize("value", ["", "accounts@acme.example"])
    def test_valid_or_empty_address_is_returned(self, value: str) -> None:
        assert validate_email(value) == value

    @pytest.mark.parametrize("value", ["nobody", "a b@acme.example"])
    def test_invalid_address_is_rejected(self, value: str) -> None:
        with pytest.raises(ProfileInvalid, match="email must be a valid e-mail address") as raised:
            validate_email(value)
        assert raised.value.param == "email"
