"""What Stripe can collect, and who therefore cannot pay by it."""

import pytest

from billing.accounts.account_creation import AccountLimits, open_account
from billing.accounts.profiles import Collection, NewProfile, ProfileInvalid, update_profile
from billing.accounts.stripe_currencies import is_stripe_currency, stripe_minimum_charge
from billing.money import currency_exponent
from infra.database.database import Database
from tests.support.billing.making import CLOCK

NO_LIMITS = AccountLimits(0, None, None, None)


class TestCurrencies:
    @pytest.mark.parametrize("currency", ["CNY", "USD", "EUR", "JPY", "KRW", "HUF", "TWD"])
    def test_that_stripe_counts_as_we_do(self, currency: str) -> None:
        assert is_stripe_currency(currency)

    @pytest.mark.parametrize("currency", ["BHD", "JOD", "KWD", "OMR", "TND"])
    def test_of_three_decimals_it_takes_two(self, currency: str) -> None:
        assert currency_exponent(currency) == 3
        assert not is_stripe_currency(currency)

    @pytest.mark.parametrize("currency", ["ISK", "UGX", "MGA"])
    def test_that_it_counts_otherwise(self, currency: str) -> None:
        assert currency_exponent(currency) in (0, 2)
        assert not is_stripe_currency(currency)

    def test_of_some_it_takes_no_less_than(self) -> None:
        assert [stripe_minimum_charge(one) for one in ("USD", "CNY", "JPY", "KRW")] == [
            50,
            400,
            50,
            1,
        ]


class TestAccounts:
    async def test_a_new_one_pays_by_hand_there(self, database: Database) -> None:
        by_stripe = NewProfile(collection=Collection.STRIPE_INVOICE)
        with pytest.raises(ProfileInvalid, match="manual for KWD") as caught:
            async with database.transaction() as session:
                await open_account(session, CLOCK, "Kuwait", "KWD", NO_LIMITS, by_stripe)
        assert caught.value.param == "collection"
        async with database.transaction() as session:
            await open_account(session, CLOCK, "Kuwait", "KWD", NO_LIMITS, NewProfile())

    async def test_and_goes_on_doing_so(self, database: Database) -> None:
        async with database.transaction() as session:
            account = await open_account(session, CLOCK, "Reykjavik", "ISK", NO_LIMITS)
        with pytest.raises(ProfileInvalid, match="manual for ISK"):
            async with database.transaction() as session:
                await update_profile(session, account.id, collection="stripe_charge")
        async with database.transaction() as session:
            changed = await update_profile(session, account.id, net_days=7)
        assert (changed.collection, changed.net_days) == ("manual", 7)
