"""Ledger: transactions balance, are posted once and are immutable, enforced by the database."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from billing.ledger.ledger import (
    Book,
    Posting,
    TransactionKind,
    book_balance,
    invoice_book_balance,
    outstanding_amount,
    post_transaction,
    sum_transaction_by_book,
)
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import CLOCK, Customer, customer, sql
from tests.support.stories.story import Story

SALE = (Posting(Book.RECEIVABLE, 106), Posting(Book.REVENUE_USAGE, -100), Posting(Book.TAX, -6))
_ADD = """
    insert into ledger_posting (transaction_id, position, account_id, book, minor)
    values (:transaction, 9, :account, 'cash', :minor)
"""


async def book(
    database: Database, of: Customer, *postings: Posting, key: str = "sale:1"
) -> UUID | None:
    async with database.transaction() as session:
        return await post_transaction(
            session, CLOCK, of.account_id, TransactionKind.INVOICE, key, "CNY", postings
        )


class TestTransactionPosting:
    async def test_transaction_posts_amount_to_each_book(self, database: Database) -> None:
        of = await customer(database)
        assert await book(database, of, *SALE) is not None
        async with database.transaction() as session:
            found = [await book_balance(session, of.account_id, one) for one in Book]
            assert await sum_transaction_by_book(session, of.account_id, "sale:1") == {
                Book.RECEIVABLE: 106,
                Book.REVENUE_USAGE: -100,
                Book.TAX: -6,
            }
            assert await sum_transaction_by_book(session, of.account_id, "sale:2") == {}
        assert sum(found) == 0
        assert found[:4] == [106, 0, 0, -100]

    async def test_repeated_business_key_posts_once(self, database: Database) -> None:
        of = await customer(database)
        await book(database, of, *SALE)
        other = (Posting(Book.CASH, 5), Posting(Book.WALLET, -5))
        assert await book(database, of, *other) is None
        async with database.transaction() as session:
            assert await book_balance(session, of.account_id, Book.CASH) == 0
            assert await book_balance(session, of.account_id, Book.RECEIVABLE) == 106

    async def test_zero_postings_are_omitted(self, database: Database) -> None:
        of = await customer(database)
        await book(database, of, *SALE, Posting(Book.REVENUE_FEES, 0))
        assert len(await sql(database, "select 1 from ledger_posting")) == 3

    async def test_balances_are_summed_per_invoice_and_book(self, story: Story) -> None:
        firm = await story.firm(tax_ppm=60_000)
        await firm.use("vib", rows=100_000)
        await story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        async with story.database.transaction() as session:
            place = (session, firm.account.id, invoice.id)
            assert await outstanding_amount(*place) == 106_00
            assert await invoice_book_balance(*place, Book.TAX) == -6_00
            assert await invoice_book_balance(*place, Book.CASH) == 0
            assert await outstanding_amount(session, ids.new_id(), invoice.id) == 0


class TestLedgerConstraints:
    @pytest.mark.parametrize(
        "postings",
        [
            (Posting(Book.RECEIVABLE, 106), Posting(Book.REVENUE_USAGE, -100)),
            (Posting(Book.RECEIVABLE, 106),),
            (Posting(Book.RECEIVABLE, 0), Posting(Book.TAX, 0)),
            (),
        ],
        ids=["not zero", "one side", "nothing on both sides", "no side"],
    )
    async def test_unbalanced_transaction_is_rejected_at_commit(
        self, database: Database, postings: tuple[Posting, ...]
    ) -> None:
        of = await customer(database)
        with pytest.raises(IntegrityError, match="sale:1 does not balance"):
            await book(database, of, *postings)
        assert await sql(database, "select 1 from ledger_transaction") == []

    async def test_posting_added_later_is_rejected(self, database: Database) -> None:
        """Two further postings are rejected even if they balance."""
        of = await customer(database)
        made = await book(database, of, *SALE)
        for minor in (5, -5):
            with pytest.raises(IntegrityError, match="written with its transaction"):
                await sql(database, _ADD, transaction=made, account=of.account_id, minor=minor)

    async def test_posting_of_another_account_is_rejected(self, database: Database) -> None:
        of, other = await customer(database), await customer(database, name="B")
        statement = f"""
            with t as (
                insert into ledger_transaction
                    (id, account_id, kind, business_key, currency, occurred_at)
                values (:id, :account, 'sale', 'sale:1', 'CNY', now()) returning id
            )
            {_ADD.replace(":transaction", "(select id from t)").replace(":account", ":other")}
        """
        values = {"id": ids.new_id(), "account": of.account_id, "other": other.account_id}
        with pytest.raises(IntegrityError, match="of the same account"):
            await sql(database, statement, minor=5, **values)

    async def test_zero_posting_is_rejected(self, database: Database) -> None:
        of = await customer(database)
        made = await book(database, of, *SALE)
        with pytest.raises(IntegrityError):
            await sql(database, _ADD, transaction=made, account=of.account_id, minor=0)


class TestImmutableTables:
    TABLES = ("ledger_transaction", "ledger_posting", "wallet_grant", "payment", "credit_note")

    async def facts(self, story: Story) -> None:
        """Create a row in each of the tables."""
        firm = await story.firm()
        await firm.use("vib", rows=100_000)
        await story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        await firm.pays(invoice, "120.00")
        await firm.is_credited(invoice, "10.00")

    async def test_update_delete_and_truncate_are_rejected(self, story: Story) -> None:
        await self.facts(story)
        for table in self.TABLES:
            before: list[Any] = list(await sql(story.database, f"select * from {table}"))
            assert before, table
            for change in (
                f"update {table} set account_id = account_id",
                f"delete from {table}",
                f"truncate {table} cascade",
            ):
                with pytest.raises(DBAPIError, match="are never changed"):
                    await sql(story.database, change)
                assert list(await sql(story.database, f"select * from {table}")) == before, change

    @pytest.mark.parametrize("table", TABLES)
    async def test_public_role_has_no_change_privileges(
        self, database: Database, table: str
    ) -> None:
        rights = (
            "select count(*) from information_schema.role_table_grants where table_name = :table"
            " and grantee = 'PUBLIC' and privilege_type in ('UPDATE', 'DELETE', 'TRUNCATE')"
        )
        assert (await sql(database, rights, table=table))[0][0] == 0
