"""Checks of bank lines: each planted fault is reported, what is consistent is not."""

from datetime import date

from sqlalchemy import text

from billing.bank_statements.confirmation import confirm_exact_lines
from billing.bank_statements.entries import BankEntry, ParsedStatement
from billing.bank_statements.lines import import_statement
from billing.reconciliation.bank_lines import CHECKS
from tests.support.stories.story import Story

# By the check that finds it: what is planted, with triggers disabled.
FAULTS = {
    "Confirmed bank lines equal their payments": "update bank_line set minor = minor + 1",
    "Payments of bank lines have a confirmed line": "update bank_line set status = 'unmatched'",
    "Bank lines that differ from their invoice are decided": """
        update bank_line set status = 'proposed', flags = '["partial"]'
    """,
}


async def test_planted_faults_are_found_each_by_its_check(story: Story) -> None:
    firm = await story.firm(tax_ppm=60_000)
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    entry = BankEntry(
        "3901", "R1", date(2026, 11, 3), 106_00, "CNY", firm.account.name, "6222", "MAAS-000001"
    )
    async with story.database.transaction() as session:
        await import_statement(session, story.clock, ParsedStatement([entry], 0, []), "s.csv")
    assert len((await confirm_exact_lines(story.database, story.clock, "Li")).confirmed) == 1
    assert await story.differences() == ()
    assert set(FAULTS) == set(CHECKS)
    for check, statement in FAULTS.items():
        async with story.database.transaction() as session:
            await session.execute(text("set local session_replication_role = replica"))
            await session.execute(text(statement))
            rows = (await session.execute(text(CHECKS[check]))).all()
            await session.rollback()
        assert len(rows) == 1, check
