"""Delivery of EPCIS subscriptions: queries without an answer, positions, and slow receivers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest

from gateway.plant.epcis.capture import store_events
from gateway.plant.epcis.errors import QueryInvalid
from gateway.plant.epcis.queries import MAX_TOTAL_VALUES, parse_query
from gateway.plant.epcis.subscribed_events import SETTLE_S
from gateway.plant.epcis.validation import parse_event
from infra.database.database import Database
from infra.timing import Timing
from tests.support.billing.making import sql
from tests.support.plant.epcis import event, item
from tests.support.plant.event_delivery import Subscribers, run_receivers
from tests.support.stories.story import Calendar
from tests.support.waiting import until_true

TOO_MANY = {f"EQ_source_x:t{n}": [f"v{m}" for m in range(200)] for n in range(50)}
MATCHING = {"MATCH_epc": item("wanted*")}


class Hurrying(Calendar):
    """A calendar on which a minute passes whenever a duration is measured."""

    elapsed_s = 0.0

    def monotonic(self) -> float:
        self.elapsed_s += 60.0
        return self.elapsed_s


@pytest.fixture
async def subscribers(working: Database) -> AsyncIterator[Subscribers]:
    async with run_receivers() as receivers:
        yield Subscribers(working, receivers)


async def end_waiting_statement(url: str, function: str) -> None:
    """End the statement that waits for a lock with a function of the server."""
    query = f"select {function}(pid) from pg_stat_activity where wait_event_type = 'Lock'"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as other:

        async def is_ended() -> bool:
            return bool(await (await other.execute(query)).fetchall())

        await until_true(is_ended)


async def deliver_while_locked(subscribers: Subscribers, url: str, function: str) -> None:
    """Deliver what is due; a statement on the items of events is ended by the server."""
    async with await psycopg.AsyncConnection.connect(url) as locking:
        await locking.execute("lock table plant_event_item in access exclusive mode")
        delivering = asyncio.create_task(subscribers.deliver())
        await end_waiting_statement(url, function)
        await delivering


class TestFailingQuery:
    async def test_query_with_too_many_values_fails_and_others_are_delivered(
        self, subscribers: Subscribers
    ) -> None:
        first, second = await subscribers.account(), await subscribers.account("Other")
        failing = await subscribers.subscribe(first, "failing", TOO_MANY)
        subscribers.clock.pass_(seconds=1)
        await subscribers.subscribe(second, "good", {})
        await subscribers.capture(first, "a")
        await subscribers.capture(second, "b")
        assert await subscribers.deliver()
        assert subscribers.receivers.posts == {"good": [[item("b")]]}
        row = await subscribers.row(failing)
        assert (row.failures, row.last_error) == (
            1,
            f"A query has at most {MAX_TOTAL_VALUES:,} values.",
        )
        assert await subscribers.waits_s(failing) == 10
        assert await subscribers.deliver(10)
        assert await subscribers.waits_s(failing) == 20

    async def test_query_whose_statement_is_ended_fails_and_others_are_delivered(
        self, subscribers: Subscribers, database_url: str
    ) -> None:
        account = await subscribers.account()
        failing = await subscribers.subscribe(account, "failing", MATCHING)
        subscribers.clock.pass_(seconds=1)
        await subscribers.subscribe(account, "good", {})
        await subscribers.capture(account, "wanted")
        await deliver_while_locked(subscribers, database_url, "pg_cancel_backend")
        assert subscribers.receivers.posts == {"good": [[item("wanted")]]}
        row = await subscribers.row(failing)
        assert (row.failures, await subscribers.waits_s(failing)) == (1, 10)
        assert row.last_error == "The query could not be answered. Narrow it."
        await subscribers.deliver(10)
        row = await subscribers.row(failing)
        assert (row.failures, row.last_error) == (0, None)
        assert subscribers.receivers.posts["failing"] == [[item("wanted")]]

    async def test_lost_connection_is_no_failure_and_delivery_follows_after_the_lease(
        self, subscribers: Subscribers, database_url: str
    ) -> None:
        account = await subscribers.account()
        interrupted = await subscribers.subscribe(account, "mine", MATCHING)
        await subscribers.capture(account, "wanted")
        await deliver_while_locked(subscribers, database_url, "pg_terminate_backend")
        assert (await subscribers.row(interrupted)).failures == 0
        assert not await subscribers.deliver(119)
        assert await subscribers.deliver(1)
        assert subscribers.receivers.posts == {"mine": [[item("wanted")]]}

    def test_values_of_all_parameters_together_are_limited(self) -> None:
        names = [f"EQ_source_x:t{n}" for n in range(MAX_TOTAL_VALUES // 100)]
        most = [(name, "|".join(map(str, range(100)))) for name in names]
        parse_query(most)
        with pytest.raises(QueryInvalid) as refused:
            parse_query([*most, ("EQ_action", "ADD")])
        assert refused.value.param == "EQ_action"


class TestPosition:
    async def test_events_that_do_not_match_are_looked_at_once(
        self, subscribers: Subscribers
    ) -> None:
        account = await subscribers.account()
        mine = await subscribers.subscribe(account, "mine", MATCHING)
        subscribers.clock.pass_(seconds=1)
        await subscribers.capture(account, "other")
        captured_at = subscribers.clock.now()
        await subscribers.deliver()
        assert (await subscribers.row(mine)).position_time == captured_at
        await subscribers.capture(account, "wanted")
        await subscribers.deliver()
        await subscribers.deliver()
        assert subscribers.receivers.posts == {"mine": [[item("wanted")]]}

    async def test_event_that_becomes_visible_after_a_later_one_is_delivered(
        self, subscribers: Subscribers
    ) -> None:
        account, clock = await subscribers.account(), subscribers.clock
        await subscribers.subscribe(account, "mine", MATCHING)
        clock.pass_(seconds=1)
        raw = event("ObjectEvent", epcList=[item("wanted-slow")], eventID=item("wanted-slow"))
        async with subscribers.database.transaction() as session:
            await store_events(session, clock, account, [parse_event(raw, (), clock.now())])
            clock.pass_(seconds=1)
            await subscribers.capture(account, "other")
            await subscribers.deliver(SETTLE_S - 3)
        await subscribers.deliver()
        assert subscribers.receivers.posts == {"mine": [[item("wanted-slow")]]}

    async def test_few_matching_events_among_thousands_are_one_delivery(
        self, subscribers: Subscribers
    ) -> None:
        account = await subscribers.account()
        mine = await subscribers.subscribe(account, "mine", MATCHING, reports_if_empty=True)
        names = [f"wanted-{n:04}" if n % 800 == 0 else f"other-{n}" for n in range(2_500)]
        await subscribers.capture(account, *names)
        await subscribers.deliver()
        wanted = [item(f"wanted-{n:04}") for n in (0, 800, 1_600, 2_400)]
        assert subscribers.receivers.posts == {"mine": [wanted]}
        assert await subscribers.waits_s(mine) == 10

    async def test_more_events_than_fit_one_delivery_follow_at_once(
        self, subscribers: Subscribers
    ) -> None:
        account = await subscribers.account()
        await subscribers.subscribe(account, "mine", MATCHING)
        names = [f"wanted-{n:04}" if n else "other" for n in range(2_500)]
        await subscribers.capture(account, *names)
        await subscribers.deliver()
        posts = subscribers.receivers.posts["mine"]
        assert [len(one) for one in posts] == [1_000, 1_000, 499]
        assert [one for post in posts for one in post] == [item(name) for name in names[1:]]

    async def test_reading_that_takes_long_is_continued_in_another_turn(
        self, subscribers: Subscribers
    ) -> None:
        account = await subscribers.account()
        mine = await subscribers.subscribe(account, "mine", MATCHING, reports_if_empty=True)
        await subscribers.capture(account, *(f"other-{n}" for n in range(1_500)), "wanted")
        hurrying = Hurrying()
        hurrying.pass_(seconds=(subscribers.clock.now() - hurrying.now()).total_seconds())
        subscribers.clock = hurrying
        subscribers.delivery = subscribers.another_process()
        await subscribers.deliver()
        assert subscribers.receivers.posts == {"mine": [[item("wanted")]]}
        assert await subscribers.waits_s(mine) == 10

    async def test_late_record_of_an_expired_claim_does_not_move_the_position_back(
        self, subscribers: Subscribers
    ) -> None:
        account, receivers = await subscribers.account(), subscribers.receivers
        mine = await subscribers.subscribe(account, "mine", {})
        await subscribers.capture(account, "a")
        receivers.hanging = {"mine"}
        late = asyncio.create_task(subscribers.deliver())

        async def waits() -> bool:
            return receivers.waiting == 1

        await until_true(waits)
        receivers.hanging = set()
        await subscribers.capture(account, "b")
        subscribers.clock.pass_(minutes=2)
        assert await subscribers.another_process().deliver_due()
        position = (await subscribers.row(mine)).position_id
        receivers.release.set()
        assert await late
        assert (await subscribers.row(mine)).position_id == position
        assert receivers.posts == {"mine": [[item("a"), item("b")], [item("a")]]}


class TestSlowReceivers:
    async def test_hanging_receivers_of_an_account_do_not_delay_others(
        self, subscribers: Subscribers
    ) -> None:
        """The account has four places, so that its fifth delivery waits for one of them."""
        slow, other = await subscribers.account(), await subscribers.account("Other")
        subscribers.receivers.hanging = {"slow"}
        for _ in range(5):
            await subscribers.subscribe(slow, "slow", {})
        subscribers.clock.pass_(seconds=1)
        await subscribers.subscribe(other, "good", {})
        await subscribers.capture(slow, "a")
        await subscribers.capture(other, "b")
        running = asyncio.create_task(subscribers.deliver())

        async def arrived() -> bool:
            return "good" in subscribers.receivers.posts and subscribers.receivers.waiting == 4

        await until_true(arrived)
        claimed = await sql(
            subscribers.database,
            "select id from plant_event_subscription where account_id = :slow and due_at > :now",
            slow=slow,
            now=subscribers.clock.now(),
        )
        assert (len(claimed), running.done()) == (4, False)
        subscribers.receivers.release.set()
        assert await running
        assert subscribers.receivers.posts["slow"] == [[item("a")]] * 5

    async def test_stopped_loop_cancels_its_deliveries_and_the_events_are_sent_again(
        self, subscribers: Subscribers
    ) -> None:
        account, receivers = await subscribers.account(), subscribers.receivers
        mine = await subscribers.subscribe(account, "mine", {})
        await subscribers.capture(account, "a")
        subscribers.clock.pass_(seconds=SETTLE_S + 1)
        receivers.hanging = {"mine"}
        poller = subscribers.delivery.poller(Timing(first_look_s=0.001))
        await poller.start()

        async def waits() -> bool:
            return receivers.waiting == 1

        await until_true(waits)
        await poller.stop()
        row = await subscribers.row(mine)
        assert (row.failures, row.last_notified_at) == (0, None)
        receivers.hanging = set()
        assert await subscribers.deliver(timedelta(minutes=2).total_seconds())
        assert receivers.posts == {"mine": [[item("a")]]}
