"""Accounts: unique names, lookup by id or name."""

import asyncio

import pytest

from billing.accounts import accounts
from billing.tables import Account
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database

CLOCK = SystemClock()


async def make(database: Database, name: str) -> Account:
    async with database.transaction() as session:
        return await accounts.create_account(session, CLOCK, name, "CNY")


class TestAccountCreation:
    async def test_created_account_is_found_by_id_and_name(self, database: Database) -> None:
        made = await make(database, "  精密机械 Co ")
        assert made.name == "精密机械 Co"
        async with database.transaction() as session:
            by_name = await accounts.get_account(session, "精密机械 Co")
            by_id = await accounts.get_account(session, ids.format_id("acct", made.id))
            assert by_name.id == by_id.id == made.id
            assert [account.id for account in await accounts.list_accounts(session)] == [made.id]

    async def test_concurrent_requests_create_one_account(self, database: Database) -> None:
        made = await asyncio.gather(
            *(make(database, "A") for _ in range(2)), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in made) == ["Account", "AccountNameTaken"]

    @pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", "a\x00b"])
    async def test_invalid_name_is_rejected(self, database: Database, name: str) -> None:
        with pytest.raises(accounts.AccountNameInvalid):
            await make(database, name)


class TestAccountLookup:
    @pytest.mark.parametrize("name", ["nobody", "acct_" + "0" * 32, "acct_x"])
    async def test_unknown_name_or_id_raises_not_found(self, database: Database, name: str) -> None:
        async with database.transaction() as session:
            with pytest.raises(accounts.AccountNotFound):
                await accounts.get_account(session, name)
