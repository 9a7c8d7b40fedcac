"""Wallets: top-ups, order in which grants are used, and expiry."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from billing.cycle import revoke_account_grant
from billing.ledger.ledger import Book, book_balance
from billing.ledger.wallets import (
    GrantBalance,
    TopUpConflict,
    TopUpInvalid,
    TopUpRequest,
    allocate_to_grants,
    expire_grants,
    list_accounts_with_expired_grants,
    list_grant_balances,
    pay_from_wallet,
    revoke_grant,
    top_up_wallet,
)
from billing.tables import WalletGrant
from infra import ids
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story

NOW = datetime(2026, 9, 30, 16, tzinfo=UTC)  # midnight in China


async def left(firm: Firm) -> list[tuple[str, int]]:
    """(key, remaining minor units) of each grant, in order of use."""
    async with firm.story.database.transaction() as session:
        return [
            (one.grant.business_key, one.minor)
            for one in await list_grant_balances(session, firm.account.id)
        ]


async def expire(firm: Firm, needed: int = 0) -> int:
    async with firm.story.database.transaction() as session:
        return await expire_grants(session, firm.story.clock, firm.account.id, needed)


class TestWalletTopUp:
    @pytest.mark.parametrize(
        ("grant", "param"),
        [
            (TopUpRequest(0), "amount"),
            (TopUpRequest(-1), "amount"),
            (TopUpRequest(10**13 + 1), "amount"),
            (TopUpRequest(1, priority=-1), "priority"),
            (TopUpRequest(1, priority=101), "priority"),
            (TopUpRequest(1, expires_at=NOW), "expires_at"),
        ],
    )
    async def test_invalid_amount_priority_or_expiry_is_rejected(
        self, story: Story, grant: TopUpRequest, param: str
    ) -> None:
        firm = await story.firm()
        async with story.database.transaction() as session:
            with pytest.raises(TopUpInvalid) as raised:
                await top_up_wallet(session, story.clock, firm.account.id, "k", grant)
        assert raised.value.param == param
        assert await left(firm) == []

    @pytest.mark.parametrize("key", ["", "k" * 201])
    async def test_reference_of_invalid_length_is_rejected(self, story: Story, key: str) -> None:
        firm = await story.firm()
        with pytest.raises(TopUpInvalid, match="1 to 200 characters") as raised:
            await firm.tops_up("5.00", key)
        assert raised.value.param == "reference"
        assert await left(firm) == []

    async def test_reference_of_200_characters_is_accepted(self, story: Story) -> None:
        firm = await story.firm()
        await firm.tops_up("5.00", "k" * 200)
        assert await left(firm) == [("k" * 200, 5_00)]

    @pytest.mark.parametrize(
        ("paid", "book", "other"),
        [(True, Book.CASH, Book.PROMOTION), (False, Book.PROMOTION, Book.CASH)],
    )
    async def test_paid_and_free_top_ups_are_posted_to_different_books(
        self, story: Story, paid: bool, book: Book, other: Book
    ) -> None:
        firm = await story.firm()
        await firm.tops_up("5.00", "k", paid=paid)
        assert [await firm.balance(one) for one in (book, Book.WALLET, other)] == [5_00, -5_00, 0]

    async def test_repeated_key_creates_one_grant_per_account(self, story: Story) -> None:
        firm, other = await story.firm("A"), await story.firm("B")
        for _ in range(2):
            await firm.tops_up("5.00", "k")
        await other.tops_up("7.00", "k")
        assert (await left(firm), await left(other)) == ([("k", 5_00)], [("k", 7_00)])

    @pytest.mark.parametrize(
        "again",
        [
            {"amount": "6.00"},
            {"amount": "5.00", "paid": False},
            {"amount": "5.00", "expires_at": NOW + timedelta(days=9)},
            {"amount": "5.00", "priority": 1},
        ],
    )
    async def test_reused_key_with_other_terms_raises_conflict(
        self, story: Story, again: dict[str, Any]
    ) -> None:
        firm = await story.firm()
        await firm.tops_up("5.00", "k")
        with pytest.raises(TopUpConflict):
            await firm.tops_up(again.pop("amount"), "k", **again)
        assert await left(firm) == [("k", 5_00)]

    async def test_duplicate_row_violates_unique_constraint(self, story: Story) -> None:
        firm = await story.firm()
        await firm.tops_up("5.00", "k")
        with pytest.raises(IntegrityError, match="business_key"):
            await sql(
                story.database,
                "insert into wallet_grant select gen_random_uuid(), account_id, business_key, paid,"
                " minor, priority, expires_at, created_at from wallet_grant",
            )


class TestGrantOrder:
    async def test_grants_are_ordered_by_priority_expiry_and_age(self, story: Story) -> None:
        firm = await story.firm()
        later = {"expires_at": story.clock.at(2027, 1, 1)}
        sooner = {"expires_at": story.clock.at(2026, 12, 1)}
        for key, grant in (
            ("old", {}),
            ("later", later),
            ("new", {}),
            ("sooner", sooner),
            ("last", {"priority": 100, **sooner}),
            ("first", {"priority": 0}),
        ):
            await firm.tops_up("1.00", key, **grant)
        keys = [key for key, _ in await left(firm)]
        assert keys == ["first", "sooner", "later", "old", "new", "last"]

    @pytest.mark.parametrize(
        ("minor", "taken"),
        [(0, []), (3, [3]), (10, [10]), (11, [10, 1]), (30, [10, 20]), (99, [10, 20])],
    )
    def test_amount_is_allocated_to_grants_in_order(self, minor: int, taken: list[int]) -> None:
        grants = [
            GrantBalance(
                WalletGrant(
                    id=UUID(int=place),
                    account_id=UUID(int=9),
                    business_key="",
                    paid=True,
                    minor=of,
                    priority=50,
                    created_at=NOW,
                ),
                of,
            )
            for place, of in enumerate((10, 20))
        ]
        assert allocate_to_grants(grants, minor) == [
            (UUID(int=place), one) for place, one in enumerate(taken)
        ]


class TestWalletPayment:
    async def test_empty_wallet_pays_zero_without_transaction(self, story: Story) -> None:
        firm = await story.firm()
        async with story.database.transaction() as session:
            place = (session, story.clock, firm.account.id, ids.new_id())
            assert await pay_from_wallet(*place, 100) == 0
        assert await sql(story.database, "select 1 from ledger_transaction") == []


class TestGrantExpiry:
    async def test_remaining_amount_expires_at_expiry_date(self, story: Story) -> None:
        """An expired paid grant is posted to breakage; an expired free grant reverses promotion."""
        firm = await story.firm()
        soon = {"expires_at": story.clock.at(2026, 10, 10)}
        await firm.tops_up("5.00", "paid", **soon)
        await firm.tops_up("7.00", "given", paid=False, **soon)
        await firm.tops_up("9.00", "kept")
        story.clock.set(2026, 10, 9, 23, 59)
        assert await expire(firm) == 0
        story.clock.set(2026, 10, 10)
        assert await expire(firm) == 12_00
        assert await expire(firm) == 0
        assert await left(firm) == [("kept", 9_00)]
        assert await firm.balance(Book.BREAKAGE) == -5_00
        assert await firm.balance(Book.PROMOTION) == 0

    async def test_needed_amount_is_kept_in_order_of_use(self, story: Story) -> None:
        """8.00 are needed: 5.00 of the first grant, which has no expiry, and 3.00 of the second.
        When only 6.00 are needed, 2.00 more of the second expire."""
        firm = await story.firm()
        soon = {"expires_at": story.clock.at(2026, 10, 10)}
        await firm.tops_up("5.00", "first", priority=1)
        await firm.tops_up("7.00", "second", **soon)
        story.clock.set(2026, 10, 10)
        assert await expire(firm, needed=8_00) == 4_00
        assert await left(firm) == [("first", 5_00), ("second", 3_00)]
        assert await expire(firm, needed=8_00) == 0
        assert await expire(firm, needed=6_00) == 2_00
        assert await left(firm) == [("first", 5_00), ("second", 1_00)]
        assert await story.differences() == ()

    async def test_only_accounts_with_expired_grants_are_listed(self, story: Story) -> None:
        first, second, third = [await story.firm(name) for name in "ABC"]
        soon = {"expires_at": story.clock.at(2026, 10, 10)}
        for key in ("k", "l"):
            await first.tops_up("5.00", key, **soon)
        await second.tops_up("5.00", "k", expires_at=story.clock.at(2026, 10, 11))
        await third.tops_up("5.00", "k")
        for day, firms in ((9, []), (10, [first]), (11, [first, second])):
            async with story.database.transaction() as session:
                found = await list_accounts_with_expired_grants(
                    session, story.clock.at(2026, 10, day)
                )
            assert set(found) == {one.account.id for one in firms}
            assert len(found) == len(firms)
        story.clock.set(2026, 10, 11)
        await expire(first)
        async with story.database.transaction() as session:
            assert await list_accounts_with_expired_grants(session, story.clock.now()) == [
                second.account.id
            ]


class TestRevocation:
    async def test_unused_balance_of_one_grant_is_revoked_once(self, story: Story) -> None:
        """What uninvoiced usage needs of the grant stays."""
        firm = await story.firm()
        given = TopUpRequest(5_00, paid=False, priority=1)
        async with story.database.transaction() as session:
            place = (session, story.clock, firm.account.id)
            grant = await top_up_wallet(*place, "start", given)
            await top_up_wallet(*place, "paid", TopUpRequest(7_00))
        async with story.database.transaction() as session:
            revoke = (session, story.clock, firm.account.id, grant.id)
            assert await revoke_grant(*revoke, 1_00) == 4_00
            assert await revoke_grant(*revoke, 1_00) == 0
            assert await revoke_account_grant(*revoke) == 1_00
        assert await left(firm) == [("paid", 7_00)]
        async with story.database.transaction() as session:
            assert await book_balance(session, firm.account.id, Book.PROMOTION) == 0
