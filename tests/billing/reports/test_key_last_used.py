"""Last-used hour of API keys."""

from billing.reports.key_last_used import last_used_hours
from billing.tables import Settlement
from infra.database.database import Database
from tests.support.billing.making import append, record, with_key
from tests.support.stories.story import Story


async def test_key_last_used_is_the_last_hour_within_thirty_days(database: Database) -> None:
    story = Story(database)
    firm, other = await story.firm(), await story.firm("Other")
    first, second, old = [await with_key(database, firm.account.id) for _ in range(3)]
    at = story.clock.at
    refused = Settlement.REFUSED
    await append(
        database,
        record(first, started_at=at(2026, 10, 2, 9, 59)),
        record(first, started_at=at(2026, 10, 20, 14, 30)),
        record(second, started_at=at(2026, 10, 21, 8), settlement=refused),
        record(old, started_at=at(2026, 10, 1, 8)),
    )
    story.clock.set(2026, 11, 1)
    await story.counts()
    async with database.transaction() as session:
        found = await last_used_hours(session, firm.account.id, story.clock.now())
        assert await last_used_hours(session, other.account.id, story.clock.now()) == {}
    assert found == {
        first.key_id: at(2026, 10, 20, 14),
        second.key_id: at(2026, 10, 21, 8),
    }
