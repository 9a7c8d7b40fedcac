"""Collection methods: text form, minimum amounts, and accounts that must be collected manually."""

import pytest

from billing.accounts.account_creation import AccountLimits, open_account
from billing.accounts.collection_method import (
    MANUAL,
    Collection,
    CollectionMethod,
    known_collections,
)
from billing.accounts.profiles import NewProfile, ProfileInvalid, update_profile
from infra.database.database import Database
from tests.support.billing.making import CLOCK

NO_LIMITS = AccountLimits(0, None, None, None)
CHARGE = Collection(CollectionMethod.CHARGE, "stripe")
SEND = Collection(CollectionMethod.INVOICE, "stripe")


class TestCollectionText:
    @pytest.mark.parametrize(
        ("text", "parsed"),
        [
            ("manual", MANUAL),
            ("stripe_charge", CHARGE),
            ("stripe_invoice", SEND),
            ("some_pay_charge", Collection(CollectionMethod.CHARGE, "some_pay")),
        ],
    )
    def test_text_is_parsed_and_formatted(self, text: str, parsed: Collection) -> None:
        assert Collection.parse(text) == parsed
        assert str(parsed) == text

    @pytest.mark.parametrize("text", ["", "charge", "stripe", "stripe_manual", "_charge", "cash"])
    def test_unknown_text_raises_value_error(self, text: str) -> None:
        with pytest.raises(ValueError, match="not a"):
            Collection.parse(text)

    def test_known_collections_are_manual_and_stripe(self) -> None:
        assert known_collections() == ("manual", "stripe_charge", "stripe_invoice")


class TestMinimumAmount:
    @pytest.mark.parametrize(
        ("collection", "currency", "minor"),
        [
            (CHARGE, "CNY", 400),
            (SEND, "KRW", 1),
            (MANUAL, "CNY", 1),
            (Collection(CollectionMethod.CHARGE, "gone"), "CNY", 1),
        ],
    )
    def test_minimum_comes_from_the_collector(
        self, collection: Collection, currency: str, minor: int
    ) -> None:
        assert collection.minimum_amount(currency) == minor


class TestAccountCollection:
    async def test_new_account_in_unsupported_currency_must_be_manual(
        self, database: Database
    ) -> None:
        by_stripe = NewProfile(collection=SEND)
        with pytest.raises(ProfileInvalid, match="manual for KWD") as caught:
            async with database.transaction() as session:
                await open_account(session, CLOCK, "Kuwait", "KWD", NO_LIMITS, by_stripe)
        assert caught.value.param == "collection"
        async with database.transaction() as session:
            await open_account(session, CLOCK, "Kuwait", "KWD", NO_LIMITS, NewProfile())

    async def test_account_in_unsupported_currency_cannot_switch_to_stripe(
        self, database: Database
    ) -> None:
        async with database.transaction() as session:
            account = await open_account(session, CLOCK, "Reykjavik", "ISK", NO_LIMITS)
        with pytest.raises(ProfileInvalid, match="manual for ISK"):
            async with database.transaction() as session:
                await update_profile(session, account.id, collection="stripe_charge")
        async with database.transaction() as session:
            changed = await update_profile(session, account.id, net_days=7)
        assert (changed.collection, changed.net_days) == ("manual", 7)
