"""Filling: the demo's story, from opening the accounts until now.

    02:00  the jobs: settlements, totals, invoices, reminders
    10:00  the office: plans, keys, payments, readings, disputes
    between them calls, in the order of their time

Both are on some days of a month only, where real jobs run by the minute: what they do follows from
what is recorded, not from when they run.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta

from billing.cycle import bill_accounts, dun_accounts
from billing.dates import day_of
from billing.outcomes.settlement.jobs import settle_outcomes
from billing.outcomes.settlement.measured_effects import measure_effect
from gateway.demo.calls import between, calls_of_day
from gateway.demo.dates import SHANGHAI, at_hour
from gateway.demo.effects import Agreed, agree_contract, argue, send_readings
from gateway.demo.firms import Firm
from gateway.demo.happenings import cap_keys, happen, invite_open, pay_due
from gateway.demo.opened import Opened, Tools
from gateway.demo.opening import open_firm, publish_plans
from gateway.demo.recording import Recorder
from gateway.demo.state import mark_filled

_JOBS, _OFFICE = 2, 10
# Months are over on the first and settled on the fourth, disputes are answered by the tenth.
_BUSY = (1, 4, 7, 10, 15, 20, 25)
# Caps are set so long before the end: the last calls come near them, and alerts tell of it.
_LAST = timedelta(hours=2)


async def fill(
    tools: Tools, recorder: Recorder, firms: Sequence[Firm], tell: Callable[[float], None]
) -> list[Opened]:
    """Tell the whole story; `tell` hears how much of it is told, from 0 to 1."""
    await publish_plans(tools)
    story = _Story(tools, recorder, [await open_firm(tools, firm) for firm in firms])
    await story.begin()
    days = tools.dates.days
    for at, day in enumerate(days):
        await story.day(day)
        tell((at + 1) / len(days))
    await story.end()
    return story.firms


class _Story:
    """The firms as they are by now, their contracts, and up to when calls are written."""

    def __init__(self, tools: Tools, recorder: Recorder, firms: list[Opened]) -> None:
        self._tools = tools
        self._recorder = recorder
        self._agreed: list[Agreed] = []
        self._written = at_hour(tools.dates.first, 0)
        self.firms = firms

    async def begin(self) -> None:
        for one in self.firms:
            if one.firm.effect is not None:
                self._agreed.append(await agree_contract(self._tools, one, one.firm.effect))

    async def day(self, day: date) -> None:
        """What happens on a day, as far as it is over by now."""
        if self._is_busy(day):
            await self._at(at_hour(day, _JOBS), self._jobs)
            await self._at(at_hour(day, _OFFICE), self._office)

    async def end(self) -> None:
        """The last hours before now, with what the jobs make of them."""
        tools, now = self._tools, self._tools.dates.now
        tools.clock.to(now - _LAST)
        await self._calls(tools.clock.now())
        for one in self.firms:
            await cap_keys(tools, one)
            await invite_open(tools, one)
        tools.clock.to(now)
        await self._jobs(tools.dates.days[-1])
        async with tools.database.transaction() as session:
            await mark_filled(session, tools.clock, self.firms)

    async def _at(self, at: datetime, work: Callable[[date], Awaitable[None]]) -> None:
        """Do it at that time; not in the last hours."""
        if at <= self._tools.dates.now - _LAST:
            self._tools.clock.to(at)
            await work(day_of(at, SHANGHAI))

    def _is_busy(self, day: date) -> bool:
        return day.day in _BUSY or self._happens(day)

    def _happens(self, day: date) -> bool:
        return any(self._since(day) in one.firm.happens for one in self.firms)

    def _since(self, day: date) -> int:
        """Which day of the story it is, counted from 0."""
        return (day - self._tools.dates.first).days

    async def _calls(self, until: datetime) -> None:
        """Write the calls that nobody has written, up to a moment."""
        dates, since = self._tools.dates, self._written
        days = [day for day in dates.days if since < at_hour(day, 24) and at_hour(day, 0) < until]
        for one in self.firms:
            calls = [
                call
                for day in days
                for call in calls_of_day(one.firm, one.works, dates.first, day, self._tools.percent)
            ]
            await self._recorder.record(one.account_id, one.keys, between(calls, since, until))
        self._written = max(since, until)

    async def _jobs(self, _day: date) -> None:
        database, clock = self._tools.database, self._tools.clock
        await self._calls(clock.now())
        await settle_outcomes(database, clock, measure_effect)
        await bill_accounts(database, clock)
        await dun_accounts(database, clock)

    async def _office(self, day: date) -> None:
        tools = self._tools
        if self._happens(day):  # calls before it are by what held then
            await self._calls(tools.clock.now())
        for at, one in enumerate(self.firms):
            for happening in one.firm.happens.get(self._since(day), ()):
                self.firms[at] = await happen(tools, self.firms[at], happening)
                self._recorder.forget()
            await pay_due(tools, self.firms[at])
        for agreed in self._agreed:
            await send_readings(tools, agreed, day)
            await argue(tools, agreed)
