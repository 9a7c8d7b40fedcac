"""Events of invoices and disputes, emitted where their state changes."""

import pytest

from billing.accounts.profiles import get_profile
from billing.collection.line_disputes import DisputeAnswer, answer_line_dispute, dispute_line
from billing.cycle import dun_accounts
from billing.events.texts import _TEMPLATES, event_texts
from billing.events.types import EVENT_GROUPS, EVENT_TYPES, is_selected
from billing.notifications.alert_targets import update_alert_target
from tests.support.billing.making import sql
from tests.support.billing.notifying import event_payloads
from tests.support.stories.story import Firm, Story


async def listening(story: Story, firm: Firm) -> None:
    """Give the firm an endpoint for all events."""
    async with story.database.transaction() as session:
        await update_alert_target(session, firm.account.id, "https://acme.example/hook")
        await get_profile(session, firm.account.id)
    await sql(
        story.database,
        """
        insert into notification_endpoint (id, account_id, kind, address, is_alert_target,
            has_secret, description, language, enabled_events, enabled, disabled_reason,
            created_at, due_at, attempts, failures)
        values (:account, :account, 'webhook', '', true, true, '', 'zh', '["*"]', true, '',
            now(), now(), 0, 0)
        """,
        account=firm.account.id,
    )


async def test_invoice_and_line_dispute_are_told_with_their_figures(story: Story) -> None:
    firm = await story.firm()
    await listening(story, firm)
    await firm.use("vib", rows=1_000)
    await story.until(2026, 12, 1, 1)
    invoice = (await firm.invoices())[-1]
    place = (story.clock, firm.account.id)
    async with story.database.transaction() as session:
        dispute = await dispute_line(session, *place, invoice.id, 1, "li", "Too many rows")
    async with story.database.transaction() as session:
        await answer_line_dispute(session, *place, dispute.id, DisputeAnswer("op", "They match"))
    await firm.pays(invoice, "1.00", "bank-1")
    told = await event_payloads(story.database)
    assert [one["type"] for one in told] == [
        "invoice.finalized",
        "line_dispute.opened",
        "line_dispute.answered",
        "invoice.paid",
    ]
    assert (told[0]["data"]["number"], told[0]["data"]["total"]) == ("MAAS-000001", "1.00")
    assert told[2]["data"]["answer"] == "They match"
    assert (told[3]["data"]["status"], told[3]["data"]["id"]) == ("paid", told[0]["data"]["id"])
    (texts, *_) = await sql(
        story.database, "select texts, page from notification_event order by id"
    )
    assert texts.texts["zh"]["title"] == "新账单：MAAS-000001"
    assert texts.page.startswith("/dashboard/invoices/inv_")


async def test_overdue_invoice_is_told_at_each_reminder(story: Story) -> None:
    firm = await story.firm()
    await listening(story, firm)
    await firm.use("vib", rows=100_000)
    await story.until(2026, 12, 1, 1)
    for days in (31, 40):
        story.clock.pass_(days=days)
        await dun_accounts(story.database, story.clock)
    told = [
        one["data"]
        for one in await event_payloads(story.database)
        if one["type"] == "invoice.overdue"
    ]
    assert (told[-1]["suspended"], told[-1]["reminder"]) == (True, 4)
    assert told[-1]["amount_remaining"] == told[-1]["total"] == "100.00"


async def test_account_without_endpoint_stores_no_event(story: Story) -> None:
    firm = await story.firm()
    await firm.use("vib", rows=1_000)
    await story.until(2026, 12, 1, 1)
    assert await event_payloads(story.database) == []


def test_selection_by_type_group_and_wildcard() -> None:
    for selection, selected in (
        (["*"], True),
        (["invoices"], True),
        (["invoice.paid"], True),
        (["invoice.overdue", "jobs"], False),
        ([], False),
    ):
        assert is_selected("invoice.paid", selection) is selected
    assert len(set(EVENT_TYPES)) == sum(map(len, EVENT_GROUPS.values()))


@pytest.mark.parametrize("event_type", sorted(_TEMPLATES))
def test_every_text_is_rendered_in_both_languages(event_type: str) -> None:
    names = ("model", "variant", "job", "reason", "name", "total", "completed", "failed", "batch")
    values = dict.fromkeys((*names, "number", "due", "line", "amount"), "7")
    texts = event_texts(event_type, values)
    assert texts["zh"].title != texts["en"].title
