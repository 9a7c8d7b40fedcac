"""Run the demo from opening the accounts until now, day by day.

    02:00  the jobs: settlements, usage totals, invoices, reminders
    10:00  the office: plans, keys, payments, readings, disputes
    between them calls, in chronological order

Jobs and office hours run on some days of a month only, whereas real jobs run every minute: their
results depend on the recorded data, not on when they run.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta

from billing.cycle import bill_accounts, dun_accounts
from billing.dates import local_day
from billing.fapiao.red_letters import request_due_red_letters
from billing.outcomes.settlement.jobs import settle_outcomes
from billing.outcomes.settlement.measured_effects import measure_effect
from gateway.demo.account_setup import open_firm, publish_plans
from gateway.demo.actions import (
    apply_action,
    invite_pending_users,
    pay_due_invoices,
    set_key_budgets,
)
from gateway.demo.agents.filling import fill_agents
from gateway.demo.call_recorder import CallRecorder
from gateway.demo.calls import calls_between, plan_calls_of_day
from gateway.demo.context import DemoAccount, DemoDependencies
from gateway.demo.dates import SHANGHAI, at_hour
from gateway.demo.fapiao import issue_requested, request_for_paid_invoices
from gateway.demo.firms import Firm
from gateway.demo.outcome_contract import (
    DemoContract,
    dispute_second_month,
    send_readings,
    sign_contract,
)
from gateway.demo.plant.filling import fill_plant
from gateway.demo.projects import set_monthly_budgets
from gateway.demo.state import mark_filled

_JOBS_HOUR, _OFFICE_HOUR = 2, 10
# Months end on the first and are settled on the fourth; disputes are answered by the tenth.
_ACTIVE_DAYS_OF_MONTH = (1, 4, 7, 10, 15, 20, 25)
# Budgets are set this long before the end: the last calls nearly reach them and trigger alerts.
_FINAL_HOURS = timedelta(hours=2)


async def fill_demo(
    deps: DemoDependencies,
    recorder: CallRecorder,
    firms: Sequence[Firm],
    on_progress: Callable[[float], None],
) -> list[DemoAccount]:
    """Open the firms' accounts and simulate the demo until now.

    `on_progress` is called with the completed fraction (0 to 1).
    """
    await publish_plans(deps)
    simulation = _Simulation(deps, recorder, [await open_firm(deps, firm) for firm in firms])
    await simulation.begin()
    days = deps.dates.days
    for index, day in enumerate(days):
        await simulation.run_day(day)
        on_progress((index + 1) / len(days))
    await simulation.end()
    return simulation.accounts


class _Simulation:
    """The demo's accounts and contracts, and the time up to which calls are recorded."""

    def __init__(
        self, deps: DemoDependencies, recorder: CallRecorder, accounts: list[DemoAccount]
    ) -> None:
        self._deps = deps
        self._recorder = recorder
        self._contracts: list[DemoContract] = []
        self._recorded_until = at_hour(deps.dates.first_month, 0)
        self.accounts = accounts

    async def begin(self) -> None:
        """Sign the outcome contracts."""
        for account in self.accounts:
            if account.firm.outcome_contract is not None:
                self._contracts.append(
                    await sign_contract(self._deps, account, account.firm.outcome_contract)
                )

    async def run_day(self, day: date) -> None:
        """Run the day's jobs, then the firms' actions and payments, if the day is active."""
        if self._is_active_day(day):
            await self._run_at(at_hour(day, _JOBS_HOUR), self._run_jobs)
            await self._run_at(at_hour(day, _OFFICE_HOUR), self._run_office)

    async def end(self) -> None:
        """Simulate the last hours before now, run the jobs, and mark the demo as complete."""
        deps, now = self._deps, self._deps.dates.now
        deps.clock.advance_to(now - _FINAL_HOURS)
        await self._record_calls(deps.clock.now())
        for account in self.accounts:
            if account.firm.has_plant:
                await fill_plant(deps, self._recorder, account)
                await fill_agents(deps, self._recorder, account)
        for account in self.accounts:
            await set_key_budgets(deps, account)
            await set_monthly_budgets(deps, account)
            await invite_pending_users(deps, account)
        self._recorder.clear_key_cache()  # the last calls count toward the new budgets
        deps.clock.advance_to(now)
        await self._run_jobs(deps.dates.days[-1])
        async with deps.database.transaction() as session:
            await mark_filled(session, deps.clock, self.accounts)

    async def _run_at(self, at: datetime, work: Callable[[date], Awaitable[None]]) -> None:
        """Advance the simulated clock to `at` and run the work; skip it if `at` is near now."""
        if at <= self._deps.dates.now - _FINAL_HOURS:
            self._deps.clock.advance_to(at)
            await work(local_day(at, SHANGHAI))

    def _is_active_day(self, day: date) -> bool:
        """Whether jobs run on the day: on fixed days of the month and days with actions."""
        return day.day in _ACTIVE_DAYS_OF_MONTH or self._has_actions(day)

    def _has_actions(self, day: date) -> bool:
        """Whether a firm has actions on the day."""
        return any(
            self._day_number(day) in account.firm.actions_by_day for account in self.accounts
        )

    def _day_number(self, day: date) -> int:
        """Return the number of days since the demo's first day."""
        return (day - self._deps.dates.first_month).days

    async def _record_calls(self, until: datetime) -> None:
        """Record the calls up to a time that are not recorded yet."""
        dates, since = self._deps.dates, self._recorded_until
        days = [day for day in dates.days if since < at_hour(day, 24) and at_hour(day, 0) < until]
        for account in self.accounts:
            calls = [
                call
                for day in days
                for call in plan_calls_of_day(
                    account.firm, account.call_types, dates.first_month, day, self._deps.percent
                )
            ]
            await self._recorder.record(
                account.account_id, account.key_ids, calls_between(calls, since, until)
            )
        self._recorded_until = max(since, until)

    async def _run_jobs(self, _day: date) -> None:
        """Record the calls so far, then run the jobs of billing and of fapiao."""
        database, clock = self._deps.database, self._deps.clock
        await self._record_calls(clock.now())
        await settle_outcomes(database, clock, measure_effect)
        await bill_accounts(database, clock)
        await dun_accounts(database, clock)
        await request_due_red_letters(database, clock)

    async def _run_office(self, day: date) -> None:
        """Apply the day's actions, pay due invoices, send readings and handle disputes."""
        deps = self._deps
        if self._has_actions(day):  # earlier calls are priced by the terms before the actions
            await self._record_calls(deps.clock.now())
        for index, account in enumerate(self.accounts):
            for action in account.firm.actions_by_day.get(self._day_number(day), ()):
                self.accounts[index] = await apply_action(deps, self.accounts[index], action)
                self._recorder.clear_key_cache()
            await pay_due_invoices(deps, self.accounts[index])
        await issue_requested(deps, day)
        for account in self.accounts:
            await request_for_paid_invoices(deps, account)
        for contract in self._contracts:
            await send_readings(deps, contract, day)
            await dispute_second_month(deps, contract)
