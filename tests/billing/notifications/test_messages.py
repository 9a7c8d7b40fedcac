"""E-mail notices: text in each language, and queueing in the outbox once per key."""

import pytest

from billing.accounts.profiles import get_profile
from billing.notifications.messages import EmailNotice, enqueue_email
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story

INVOICE = {"number": "MAAS-000001", "owed": "30.00 CNY", "due": "2026-11-01"}
MOVED = {"model": "ft:x:acct_1:line-3", "variable": "torque", "psi": "0.31", "rows": "1200"}
USED = {"subject": "the credit", "percent": "80", "used": "80.00 CNY", "amount": "100.00 CNY"}


class TestEmailText:
    @pytest.mark.parametrize("locale", ["zh", "en"])
    @pytest.mark.parametrize(
        ("kind", "values"),
        [
            ("reminder", INVOICE),
            ("suspended", INVOICE),
            ("alert", USED),
            ("drift_moderate", MOVED),
            ("drift_significant", MOVED),
        ],
    )
    def test_every_value_is_in_subject_or_text(
        self, kind: str, values: dict[str, str], locale: str
    ) -> None:
        subject, text = EmailNotice(kind, values).render(locale)
        assert all(value in subject + text for value in values.values())
        assert "\n" not in subject

    def test_payment_reminder_in_chinese(self) -> None:
        assert EmailNotice("reminder", INVOICE).render("zh") == (
            "付款提醒：账单 MAAS-000001 已逾期",
            "您好：\n\n账单 MAAS-000001（应付金额 30.00 CNY）已于 2026-11-01 到期，我们尚未收到"
            "付款。\n"
            "请尽快支付；如已付款，请忽略本邮件。\n",
        )

    def test_suspension_notice_in_english(self) -> None:
        subject, text = EmailNotice("suspended", INVOICE).render("en")
        assert subject == "Service suspended: invoice MAAS-000001 is overdue"
        assert "was due on 2026-11-01" in text


async def told(story: Story, firm: Firm, key: str) -> bool:
    async with story.database.transaction() as session:
        profile = await get_profile(session, firm.account.id)
        return await enqueue_email(
            session, story.clock, profile, key, EmailNotice("reminder", INVOICE)
        )


class TestEmailQueueing:
    async def test_repeated_business_key_queues_one_email(self, story: Story) -> None:
        firm = await story.firm()
        await firm.billed(email="pay@acme.example")
        for key in ("invoice:1", "invoice:1", "invoice:2"):
            assert await told(story, firm, key)
        rows = await sql(
            story.database, "select business_key, action, payload from outbox order by id"
        )
        assert [row.business_key for row in rows] == ["email:invoice:1", "email:invoice:2"]
        assert {row.action for row in rows} == {"email"}
        subject, text = EmailNotice("reminder", INVOICE).render("zh")
        assert rows[0].payload == {"to": "pay@acme.example", "subject": subject, "text": text}

    async def test_account_without_email_address_queues_no_email(self, story: Story) -> None:
        firm = await story.firm()
        assert not await told(story, firm, "invoice:1")
        assert await sql(story.database, "select 1 from outbox") == []

    async def test_email_uses_the_language_of_the_account(self, story: Story) -> None:
        firm = await story.firm(locale="en")
        await firm.billed(email="pay@acme.example")
        await told(story, firm, "invoice:1")
        (row,) = await sql(story.database, "select payload from outbox")
        assert row.payload["subject"] == "Payment reminder: invoice MAAS-000001 is overdue"
