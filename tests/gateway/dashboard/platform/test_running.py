"""Platform pages: revenue, deliveries, jobs, reconciliation, models and plans."""

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest

from billing.outbox import enqueue
from billing.reconciliation.included_units import CHECKS as INCLUDED_CHECKS
from billing.reconciliation.invoices_and_ledger import CHECKS as BOOK_CHECKS
from billing.reconciliation.invoices_and_ledger import RERATING_CHECK
from billing.reconciliation.job import run_record_check
from billing.reconciliation.outcomes import (
    BUNDLE_DIGEST_CHECK,
    SETTLEMENT_AMOUNT_CHECK,
    SETTLEMENT_CHARGE_CHECK,
)
from billing.reconciliation.usage_and_quotas import _CHECKS
from billing.tables import InboxEvent
from gateway.dashboard.pages.platform.models import model_health
from gateway.dashboard.reconciliation_labels import RECONCILIATION_CHECKS
from gateway.identity.audit_log import list_all_entries
from gateway.identity.roles import Role
from gateway.upstream.circuit_breaker import CircuitState
from models.catalog import Task
from tests.support.billing.making import bill_all_usage, sql
from tests.support.billing.queued import put_job
from tests.support.builders import CATALOG, CHAT
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.fakes.upstream import FakeUpstream
from tests.support.stories import story as stories
from tests.support.stories.plan_texts import MAX

PLATFORM = "/dashboard/platform"
CLOSED, OPEN, HALF = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


class TestRevenueAndPlanPages:
    async def test_revenue_and_receivables_equal_invoices(
        self, firm: Firm, debtor: stories.Firm, support: Looker
    ) -> None:
        for by in ("plan", "model", "kind", "account", "nonsense"):
            said = words(await support.page(f"{PLATFORM}/revenue?by={by}"))
            assert "CN¥30.00 100%" in said
        month = f"{firm.clock.now():%Y-%m}"
        page = await support.page(f"{PLATFORM}/revenue?month={month}&currency=ZZZ&by=account")
        assert "Big" in page
        await support.page(f"{PLATFORM}/revenue?month=x")
        for query in ("", f"?month={month}", "?month=x"):
            fees = await support.http.get(f"{PLATFORM}/revenue/deferred.csv{query}")
            assert fees.text.startswith("invoice,account,plan,kind")
        said = words(await support.page(f"{PLATFORM}/receivables"))
        assert "Not due yet CN¥30.00 1 invoice" in said
        assert "Nothing overdue" in said
        firm.clock.to(firm.clock.now() + timedelta(days=45))
        gateway = firm.gateway
        async with looker(gateway.url, gateway.parts, None, Role.SUPPORT) as later:
            said = words(await later.page(f"{PLATFORM}/receivables"))
        assert "MAAS-000002" in said
        assert "None sent Reminder" in said
        async with looker(gateway.url, gateway.parts, debtor.account.id) as owner:
            page = await owner.page("/dashboard")
            late = re.search(r"CN¥30\.00 · (Overdue by \d+ days\. Please pay)", words(page))
            link = re.search(r'href="(/dashboard/invoices/inv_\w+)"', page)
            assert late is not None
            assert link is not None
            said = words(await owner.page(link[1]))
        assert late[1] in said
        assert "Quote MAAS-000002 with the transfer." in said

    async def test_plan_prices_and_model_health_are_listed(
        self, firm: Firm, support: Looker
    ) -> None:
        page = await support.page(f"{PLATFORM}/plans")
        assert "List prices" in words(page)
        version = page.partition(f"{PLATFORM}/plans/")[2].partition('"')[0]
        assert "Output tokens" in words(await support.page(f"{PLATFORM}/plans/{version}"))
        await support.page(f"{PLATFORM}/plans/{'0' * 32}", 404)
        said = words(await support.page(f"{PLATFORM}/models"))
        assert CHAT in said
        assert "Healthy" in said


class TestFailedWork:
    async def test_operator_retries_failed_delivery_and_webhook_once(
        self, firm: Firm, operator: Looker, support: Looker
    ) -> None:
        database, clock, of = firm.gateway.parts.database, firm.clock, firm.gateway.account.id
        async with database.transaction() as session:
            await enqueue(session, clock, of, "email", "invoice:1", "k", {"to": "li@acme.example"})
            now = clock.now()
            session.add(
                InboxEvent(
                    id="evt_1",
                    collector="stripe",
                    kind="invoice.paid",
                    payload={"data": {"object": {}}},
                    received_at=now,
                    due_at=now,
                    attempts=1,
                    outcome="refused: no such invoice",
                    handled_at=now,
                )
            )
        await sql(database, "update outbox set given_up_at = now(), last_error = 'no mailbox'")
        webhooks = f"{PLATFORM}/webhooks"
        page = await operator.page(f"{webhooks}?progress=failed")
        assert "no mailbox" in page
        assert "li@acme.example" not in page
        item = page.partition('name="id" value="')[2].partition('"')[0]
        assert ">Retry<" not in await support.page(webhooks)
        assert (await support.send(f"{webhooks}/retry", id=item)).status_code == 403
        assert "no such invoice" in await operator.page(f"{webhooks}/incoming?progress=failed")
        for _ in range(2):
            for name in (item, "evt_1"):
                sent = await operator.send(f"{webhooks}/retry", id=name, next=webhooks)
                assert sent.headers["location"] == webhooks
        for name in ("", "x", "out_x", f"out_{'0' * 32}", "evt_\x00"):
            assert (await operator.send(f"{webhooks}/retry", id=name)).status_code == 404
        assert "Failed 0" in words(await operator.page(webhooks))
        assert "Failed 0" in words(await operator.page(f"{webhooks}/incoming?before=x"))
        async with database.transaction() as session:
            done = [one.action for one in await list_all_entries(session)]
        assert (done.count("outbox.retried"), done.count("inbox.retried")) == (1, 1)

    async def test_operator_retries_failed_job_and_sees_reconciliation_results(
        self, firm: Firm, operator: Looker, support: Looker
    ) -> None:
        database = firm.gateway.parts.database
        jobs, checks = f"{PLATFORM}/jobs", f"{PLATFORM}/reconciliation"
        assert "No jobs yet" in words(await support.page(jobs))
        await put_job(database, 901, "dun", "failed")
        assert "Send overdue reminders" in words(await operator.page(jobs))
        assert (await support.send(f"{jobs}/retry", id="901")).status_code == 403
        for _ in range(2):
            answer = await operator.send(f"{jobs}/retry", id="901")
            assert answer.headers["location"] == jobs
        for number in ("", "x", "٣", "-1", "9" * 30):
            assert (await operator.send(f"{jobs}/retry", id=number)).status_code == 404
        assert "No failed jobs" in words(await operator.page(jobs))
        assert "Not run yet" in words(await support.page(checks))
        await run_record_check(database, firm.clock)
        assert "No differences" in words(await support.page(checks))
        await sql(database, "update usage_total set calls = calls + 1")
        await run_record_check(database, firm.clock)
        assert "Period totals equal the usage rows" in words(await support.page(checks))


class TestReconciliationCheckLabels:
    def test_every_check_has_a_label(self) -> None:
        names = {
            *_CHECKS,
            *BOOK_CHECKS,
            *INCLUDED_CHECKS,
            RERATING_CHECK,
            BUNDLE_DIGEST_CHECK,
            SETTLEMENT_AMOUNT_CHECK,
            SETTLEMENT_CHARGE_CHECK,
        }
        assert names <= set(RECONCILIATION_CHECKS)


class TestServiceTierNames:
    async def test_operator_pages_show_readable_tier_names(
        self, firm: Firm, operator: Looker
    ) -> None:
        story = stories.Story(firm.gateway.parts.database)
        story.clock._now = firm.clock.now() - timedelta(days=40)
        made = await story.firm("Tiers")
        version = await story.plan(f'{MAX}[[tier]]\nname = "priority"\npercent = 150')
        await made.subscribe(version)
        await made.use("llm", output_tokens=40_000_000, tier="priority")
        await bill_all_usage(story.database, firm.clock)
        addresses = (f"plans/{version.id.hex}", "revenue?currency=CNY&by=model")
        for address in addresses:
            page = await operator.page(f"{PLATFORM}/{address}")
            assert "llm, priority" in words(page)
            assert "@priority" not in page


class TestModelHealth:
    @pytest.mark.parametrize(
        ("circuits", "health"),
        [
            ([], "unserved"),
            ([None, None], "unknown"),
            ([HALF], "unknown"),
            ([CLOSED, None], "good"),
            ([OPEN, CLOSED], "partly"),
            ([OPEN, None], "partly"),
            ([OPEN, OPEN], "bad"),
        ],
    )
    def test_health_is_derived_from_circuit_states(
        self, circuits: Sequence[CircuitState | None], health: str
    ) -> None:
        assert model_health(circuits) == health


class TestUninstalledModel:
    async def test_models_page_names_the_missing_package_extra(
        self, firm: Firm, operator: Looker, upstream: FakeUpstream
    ) -> None:
        absent = CATALOG.with_task(Task.IMAGE_CLASSIFICATION)[0].id
        upstream.models = {one: True for one in CATALOG.models if one != absent}
        await firm.gateway.parts.availability.refresh()
        page = words(await operator.page(f"{PLATFORM}/models"))
        assert "Not installed: package extra vision" in page
        assert page.count("Not served") == 1
