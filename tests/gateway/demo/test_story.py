"""Demo data: all records reconcile, and each firm has the data that its pages show."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel, select

from billing.accounts.profiles import get_profile
from billing.fapiao.requests import list_fapiaos
from billing.invoice_documents.builder import build_invoice_document, build_invoice_preview
from billing.invoice_documents.invoice_list import InvoiceListItem, list_invoices
from billing.invoices.usage_position import load_usage_position
from billing.metering.quotas import list_quota_states, month_start
from billing.metering.usage import list_usage
from billing.notifications.monitored_limits import load_monitored_limits
from billing.outcomes.settlement.views import disputes_page, settlements_page
from billing.reconciliation.usage_and_quotas import reconcile
from billing.reports.spending import SpendingDimension, list_spending, list_tags
from billing.subscriptions.subscriptions import find_subscription
from billing.tables import CreditNote, InvoiceStatus, QuotaKind, Settlement
from gateway.access.api_keys import list_keys
from gateway.agents.actions.deciding import list_actions
from gateway.agents.learning.feedback import list_feedback
from gateway.agents.rounds.store import list_rounds
from gateway.agents.savings.report import load_report
from gateway.agents.savings.savings import load_savings
from gateway.agents.store.agents import list_agents
from gateway.demo.plant.history import BAR, BEARING, SHAFTS, SPINDLE
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.invitations import InvitationService
from gateway.identity.links import Links
from gateway.identity.services import build_identity
from gateway.identity.session_lookup import find_viewer
from gateway.identity.team import list_members
from gateway.plant.epcis.trace import Direction
from gateway.plant.epcis.trace_query import trace_item
from gateway.plant.predictions.verdicts import list_verdicts
from gateway.plant.readings.formats.batch import PointKey
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.points import find_points
from gateway.plant.readings.storage.queries import TimeRange, read_series
from gateway.plant.readings.values import DAY_US
from gateway.plant.store.loading import load_model
from gateway.plant.store.queries import find_asset
from gateway.projects.keys import list_project_keys
from gateway.projects.members import list_members as list_project_members
from gateway.projects.projects import list_projects
from gateway.projects.views import load_project_views
from infra.secrets.secret_key import secret_key
from tests.gateway.demo.filled import CLOCK, Filled
from tests.support.nightly import nightly
from tests.support.passwords import QUICK

pytestmark = nightly


MACHINING, MOULDING, PUMPING = range(3)
ALL = (MACHINING, MOULDING, PUMPING)
PLACE = ClientOrigin("203.0.113.7", "a browser")


async def invoices(session: AsyncSession, filled: Filled, place: int) -> list[InvoiceListItem]:
    return await list_invoices(session, (await filled.account(place)).id, 100)


class TestDemoBooks:
    async def test_records_reconcile_without_differences(self, filled: Filled) -> None:
        async with filled.database.transaction() as session:
            found = await reconcile(session)
        assert found.differences == ()
        assert (found.processes, found.open_calls, found.held) == (0, 0, 0)
        assert found.usage_rows > 500

    async def test_invoice_lines_tax_and_payments_add_up(self, filled: Filled) -> None:
        """Lines sum to the net amount, net and tax to the total; the total is paid, credited or
        owed."""
        async with filled.database.transaction() as session:
            for place in ALL:
                found = await invoices(session, filled, place)
                assert len(found) >= 2
                for one in found:
                    invoice = one.invoice
                    document = await build_invoice_document(
                        session, invoice.account_id, invoice.id, "en"
                    )
                    assert sum(line.line.minor for line in document.lines) == invoice.net
                    assert invoice.net + invoice.tax == invoice.total
                    shown = document.to_json()
                    parts = [float(shown[name]) for name in ("paid", "credited", "owed")]
                    assert round(sum(parts) * 100) == invoice.total

    async def test_second_run_of_demo_command_changes_no_row(self, filled: Filled) -> None:
        before = await rows(filled)
        again = await filled.maas.say("demo")
        assert again["filled"] is False
        named = [{name: one[name] for name in ("id", "name")} for one in filled.said["firms"]]
        assert again["firms"] == named
        told = await filled.maas.tell("demo")
        assert "exist already" in told
        assert filled.said["firms"][0]["name"] in told
        assert await rows(filled) == before


class TestEveryDemoFirm:
    async def test_current_month_has_calls_costs_tags_and_limits(self, filled: Filled) -> None:
        async with filled.database.transaction() as session:
            for place in ALL:
                account_id = (await filled.account(place)).id
                profile = await get_profile(session, account_id)
                position = await load_usage_position(session, profile, CLOCK.now())
                period = position.current_period.period
                days = await list_spending(session, account_id, period, SpendingDimension.DAY)
                assert sum(day.calls for day in days) > 20
                assert sum(day.cost_nano for day in days) > 0
                assert "machine" in await list_tags(session, account_id, period)
                preview = await build_invoice_preview(
                    session, CLOCK, account_id, "zh", position.current_period
                )
                assert preview.lines
                assert await load_monitored_limits(session, position)

    async def test_usage_includes_refused_calls_and_no_future_calls(self, filled: Filled) -> None:
        settled = set()
        async with filled.database.transaction() as session:
            for place in ALL:
                account_id = (await filled.account(place)).id
                found = await list_usage(session, account_id=account_id, limit=10_000)
                settled |= {row.settlement for row in found}
                assert all(row.started_at <= CLOCK.now() for row in found)
        assert {Settlement.COMPLETE, Settlement.REFUSED} <= settled

    async def test_owner_signs_in_to_the_account_and_each_role_exists(self, filled: Filled) -> None:
        secret, links = secret_key(filled.settings), Links.from_settings(filled.settings)
        place = (filled.database, CLOCK, secret, links, QUICK)
        signing_in = build_identity(*place).login
        for firm in filled.said["firms"]:
            roles = [one["role"] for one in firm["people"]]
            assert sorted(roles) == ["developer", "finance", "owner", "viewer"]
        owners = [firm["people"][0]["email"] for firm in filled.said["firms"]]
        for place_, email in enumerate(owners):
            opened = await signing_in.sign_in(email, filled.said["password"], PLACE)
            async with filled.database.transaction() as session:
                viewer = await find_viewer(session, CLOCK, opened.token)
            assert viewer is not None
            assert viewer.account_id == (await filled.account(place_)).id

    async def test_one_key_is_revoked_and_one_has_a_monthly_budget(self, filled: Filled) -> None:
        month = month_start(CLOCK.now())
        async with filled.database.transaction() as session:
            for place in ALL:
                account_id = (await filled.account(place)).id
                keys = await list_keys(session, account_id)
                assert len(keys) >= 4
                assert len([key for key in keys if key.revoked_at is not None]) == 1
                capped = [
                    quota
                    for quota in await list_quota_states(session, account_id)
                    if quota.kind is QuotaKind.BUDGET
                    and quota.amount
                    and quota.period_start == month
                ]
                assert len(capped) == 1


class TestProjectsAndFapiao:
    async def test_each_firm_has_a_project_with_people_keys_usage_and_a_budget(
        self, filled: Filled
    ) -> None:
        async with filled.database.transaction() as session:
            for place in ALL:
                account_id = (await filled.account(place)).id
                rows = await list_projects(session, account_id)
                views = await load_project_views(session, account_id, rows, CLOCK.now())
                own = [view for view in views if not view.row.is_default]
                assert own
                for view in own:
                    assert await list_project_members(session, account_id, view.row.id)
                    assert await list_project_keys(session, account_id, view.row.id)
                    budget = view.budgets["monthly"]
                    assert budget is not None
                    assert 0 <= budget.used < budget.amount
                shown = await list_spending_of_projects(session, account_id)
                assert {view.row.id for view in own} <= shown

    async def test_paid_invoices_have_fapiao(self, filled: Filled) -> None:
        async with filled.database.transaction() as session:
            for place in ALL:
                account_id = (await filled.account(place)).id
                rows = await list_fapiaos(session, account_id, 100)
                paid = [
                    one.invoice.id
                    for one in await invoices(session, filled, place)
                    if one.invoice.status == InvoiceStatus.PAID
                ]
                assert {row.invoice_id for row in rows} <= set(paid)
                assert any(row.status == "issued" and row.number for row in rows)


async def list_spending_of_projects(session: AsyncSession, account_id: UUID) -> set[UUID]:
    """The projects with calls."""
    query = text("select distinct project_id from usage where account_id = :of")
    return {row[0] for row in await session.execute(query, {"of": account_id}) if row[0]}


class TestMachiningFirm:
    async def test_upgraded_subscription_has_a_credit_note(self, filled: Filled) -> None:
        account_id = (await filled.account(MACHINING)).id
        async with filled.database.transaction() as session:
            standing = await find_subscription(session, account_id, CLOCK.now())
            assert standing is not None
            assert standing.terms.plan == "demo_growth"
            found = await invoices(session, filled, MACHINING)
            documents = [
                await build_invoice_document(session, account_id, one.invoice.id, "en")
                for one in found
            ]
            notes = (await session.scalars(select(CreditNote))).all()
            assert [(one.account_id, one.total) for one in notes] == [(account_id, 30_00)]
            kinds = {line.line.kind.value for one in documents for line in one.lines}
            assert {"fixed_fee", "usage"} <= kinds

    async def test_one_invitation_is_pending(self, filled: Filled) -> None:
        account_id = (await filled.account(MACHINING)).id
        inviting = InvitationService.from_settings(filled.settings, CLOCK)
        async with filled.database.transaction() as session:
            assert [one.email for one in await inviting.list_pending(session, account_id)] == [
                "zhao.min@haishu.example"
            ]
            assert len(await list_members(session, account_id)) == 4


class TestMouldingFirm:
    async def test_overdue_invoice_has_reminders_and_account_is_active(
        self, filled: Filled
    ) -> None:
        account_id = (await filled.account(MOULDING)).id
        now = CLOCK.now()
        async with filled.database.transaction() as session:
            found = await invoices(session, filled, MOULDING)
            late = [
                one.invoice
                for one in found
                if one.invoice.status == InvoiceStatus.OPEN
                and one.invoice.due_at is not None
                and one.invoice.due_at < now
            ]
            assert [one.reminders for one in late] in ([1], [2])
            assert any(one.invoice.status == InvoiceStatus.PAID for one in found)
            assert (await get_profile(session, account_id)).suspended_at is None
            assert await find_subscription(session, account_id, now) is None


class TestPumpingFirm:
    async def test_first_settlement_is_accepted_and_second_disputed(self, filled: Filled) -> None:
        account_id = (await filled.account(PUMPING)).id
        async with filled.database.transaction() as session:
            settled = await settlements_page(session, account_id, 10)
            by_start = sorted(settled, key=lambda one: str(one["starts_at"]))
            assert [one["status"] for one in by_start[:2]] == ["accepted", "disputed"]
            assert all(float(one["amount"]) > 1_000 for one in by_start[:2])
            (dispute,) = await disputes_page(session, account_id, 10)
            assert dispute["status"] == "waits_for_reply"
            assert dispute["frozen"] == by_start[1]["amount"]

    async def test_outcome_is_invoiced_and_contract_calls_are_covered(self, filled: Filled) -> None:
        account_id = (await filled.account(PUMPING)).id
        async with filled.database.transaction() as session:
            lines = [
                line.line
                for one in await invoices(session, filled, PUMPING)
                for line in (
                    await build_invoice_document(session, account_id, one.invoice.id, "zh")
                ).lines
            ]
            outcomes = [line for line in lines if line.kind.value == "outcome"]
            assert len(outcomes) >= 1
            calls = await list_usage(session, account_id=account_id, limit=10_000)
        covered = [one for one in calls if (one.tags or {}).get("contract") == "pumping"]
        billed = [one for one in covered if one.settlement == Settlement.COMPLETE]
        assert billed
        assert all(one.cost_nano == 0 and one.covered for one in billed)


async def rows(filled: Filled) -> dict[str, Any]:
    """Row count and content checksum of each table."""
    query = "select count(*), sum(hashtext(t::text)::bigint) from {} t"
    async with filled.database.transaction() as session:
        return {
            name: tuple((await session.execute(text(query.format(name)))).one())
            for name in SQLModel.metadata.tables
        }


class TestPlant:
    async def test_machining_firm_has_a_plant_with_readings_and_a_metered_upload(
        self, filled: Filled
    ) -> None:
        account_id = (await filled.account(MACHINING)).id
        async with filled.database.transaction() as session:
            model = await load_model(session, account_id)
            now_us = from_datetime(CLOCK.now())
            within = TimeRange(now_us - 3 * DAY_US, now_us)
            point = (await find_points(session, account_id, [PointKey("CNC-03.VIB")])).popitem()[1]
            read = (await read_series(session, account_id, [point.id], within, 2_000))[point.id]
            usage = await list_usage(session, account_id=account_id, limit=10_000)
        assert (len(model.assets), len(model.points)) == (20, 69)
        kinds = {entity.kind.value for entity in model.entities}
        assert {"failure_mode", "cause", "effect", "remedy", "work_order", "document"} <= kinds
        # The spindle of this machine wears out.
        assert read.series.values[-1] > 1.5 * read.series.values[0]
        uploads = [row for row in usage if row.operation == "readings"]
        assert [row.readings for row in uploads] == [8 * 8 * 72]
        assert uploads[0].settlement == Settlement.COMPLETE

    async def test_verdict_is_the_result_of_the_specialist_and_finds_the_anomaly(
        self, filled: Filled
    ) -> None:
        account_id = (await filled.account(MACHINING)).id
        async with filled.database.transaction() as session:
            asset = await find_asset(session, account_id, "CNC-03")
            (verdict,) = await list_verdicts(session, account_id, asset.id, 10, None)
            usage = await list_usage(session, account_id=account_id, limit=10_000)
        assert verdict.request_id in {row.request_id for row in usage}
        assert verdict.prediction["beyond_3_sigma"][-1] is True
        assert verdict.prediction["beyond_3_sigma"][0] is False
        assert {one["name"] for one in verdict.inputs} == {"points", "centre", "deviation"}

    async def test_trace_of_the_spindle_leads_to_the_bar_and_to_the_inspection(
        self, filled: Filled
    ) -> None:
        account_id = (await filled.account(MACHINING)).id
        async with filled.database.transaction() as session:
            trace = await trace_item(session, account_id, SPINDLE, Direction.UPSTREAM)
        items = {one.epc for one in trace.items}
        assert {BAR, BEARING, SHAFTS[0], SPINDLE} <= items
        assert SHAFTS[1] not in items
        assert [bool(one.request_id) for one in trace.inspections] == [True]


class TestAgents:
    async def test_pump_monitor_has_a_month_with_decisions_cost_and_savings(
        self, filled: Filled
    ) -> None:
        account_id = (await filled.account(MACHINING)).id
        now = CLOCK.now()
        async with filled.database.transaction() as session:
            agents = {one.name: one for one in await list_agents(session, account_id, 10, None)}
            monitor = agents["冷却液泵监测"]
            actions = await list_actions(session, account_id, 10, None, monitor.id)
            days = (now - timedelta(days=32)).date(), now.date()
            savings = await load_savings(session, CLOCK, monitor, *days)
            report = await load_report(session, CLOCK, monitor)
            feedback = await list_feedback(session, account_id, monitor.id, 10)
            rounds = await list_rounds(session, account_id, 10, None)
            usage = await list_usage(session, account_id=account_id, limit=10_000)
        assert [one.status for one in actions] == ["proposed", "executed", "rejected"]
        assert [one.verdict for one in feedback] == ["confirmed", "denied"]
        total = savings.total
        assert total.activity.ticks == 63
        assert {one.status.value for one in total.results} >= {"confirmed", "unconfirmed"}
        assert total.observed is not None
        assert total.observed.upper_nano > 0
        assert report.period.activity.actions == 1
        # A call of the agent, which the units of the plan may cover.
        (call,) = [row for row in usage if "agent" in (row.tags or {})]
        assert (call.rows, call.cost_nano) == (1, total.activity.cost_nano)
        assert [one.status for one in rounds] == ["open", "submitted"]
        assert rounds[1].report_signature
        assert {one.status for one in agents.values()} == {"active", "paused"}
        assert len(agents) == 5
