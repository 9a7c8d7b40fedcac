"""Payers of accounts: recorded once, as hashes, of payments and confirmed bank lines."""

from datetime import date, timedelta

from billing.accounts.account_creation import open_account
from billing.accounts.payers import payer_digest, record_bank_payers, record_payer
from billing.bank_statements.confirmation import confirm_exact_lines
from billing.bank_statements.entries import BankEntry, ParsedStatement
from billing.bank_statements.lines import import_statement
from infra.database.database import Database
from tests.support.billing.making import CLOCK, TERMS, sql
from tests.support.stories.story import Story


async def test_payer_is_recorded_once_and_an_unknown_one_never(database: Database) -> None:
    async with database.transaction() as session:
        account = await open_account(session, CLOCK, "Acme", "CNY", TERMS)
        for identity in ("openid-1", " openid-1 ", "", " "):
            await record_payer(session, account.id, "wechat_pay", identity, CLOCK.now())
    stored = await sql(database, "select kind, digest from account_payer")
    assert stored == [("wechat_pay", payer_digest("wechat_pay", "openid-1"))]


async def test_payers_of_confirmed_bank_lines_are_recorded(story: Story) -> None:
    firm = await story.firm(tax_ppm=60_000)
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    day, texts = date(2026, 11, 3), ("MAAS-000001", "nothing that is known")
    entries = [
        BankEntry("3901", text, day, 106_00, "CNY", "Acme \u7cbe\u5bc6", "6222", text)
        for text in texts
    ]
    since = story.clock.now() - timedelta(days=1)
    async with story.database.transaction() as session:
        await import_statement(session, story.clock, ParsedStatement(entries, 1, []), "s.csv")
        assert await record_bank_payers(session, since) == 0
    await confirm_exact_lines(story.database, story.clock, "Li")
    for _ in range(2):
        async with story.database.transaction() as session:
            assert await record_bank_payers(session, since) == 1
    stored = await sql(story.database, "select account_id, digest from account_payer")
    assert stored == [(firm.account.id, payer_digest("bank", "6222"))]
