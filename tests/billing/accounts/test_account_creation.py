"""Opening of accounts with their initial limits."""

import pytest

from billing.accounts.account_creation import AccountLimits, open_account
from billing.accounts.accounts import AccountNameTaken
from billing.metering.quotas import LimitInvalid, list_quota_states
from billing.tables import QuotaKind
from infra.database.database import Database
from tests.support.billing.making import CLOCK, differences, sql


async def opened(database: Database, terms: AccountLimits) -> dict[str, int | None]:
    async with database.transaction() as session:
        account = await open_account(session, CLOCK, "Acme", "CNY", terms)
        return {one.kind: one.amount for one in await list_quota_states(session, account.id)}


class TestAccountOpening:
    async def test_new_account_has_requested_limits(self, database: Database) -> None:
        assert await opened(database, AccountLimits(7, 1, 2, 3)) == {
            QuotaKind.CREDIT: 7,
            QuotaKind.REQUESTS: 1,
            QuotaKind.TOKENS: 2,
            QuotaKind.STREAMS: 3,
        }
        assert await sql(database, "select reason, amount_nano, note from credit_entry") == [
            ("credit_limit", 7, "on opening")
        ]
        assert await differences(database) == ()

    async def test_null_limits_leave_rates_unlimited(self, database: Database) -> None:
        limits = await opened(database, AccountLimits(0, None, None, None))
        assert [amount for amount in limits.values() if amount is not None] == [0]

    @pytest.mark.parametrize(
        "terms",
        [AccountLimits(-1, 1, 1, 1), AccountLimits(1, -1, 1, 1), AccountLimits(1, 1, 1, -1)],
    )
    async def test_negative_limits_create_no_account(
        self, database: Database, terms: AccountLimits
    ) -> None:
        with pytest.raises(LimitInvalid):
            await opened(database, terms)
        assert await sql(database, "select count(*) from account") == [(0,)]

    async def test_duplicate_name_raises_account_name_taken(self, database: Database) -> None:
        await opened(database, AccountLimits(7, 1, 2, 3))
        with pytest.raises(AccountNameTaken):
            await opened(database, AccountLimits(9, 9, 9, 9))
        assert await sql(database, "select sum(amount_nano) from credit_entry") == [(7,)]
