"""The limits page: limits in force, alert settings, test events and access by role."""

import re
from typing import Any

from billing.metering.quotas import set_budget
from gateway.access.api_keys import create_key
from gateway.identity.audit_log import AuditLogEntry, list_account_entries
from gateway.identity.roles import Role
from infra.secrets.secret_key import secret_key
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.gateway.subscribing import LARGE, SMALL, choose, offer

ALERTS, TEST = "/dashboard/limits/alerts", "/dashboard/limits/test"
INCLUDING = """
[[allowance]]
meter = "output_tokens"
quantity = {}
"""
HOOK = "https://acme.example/hook?token=hidden"


async def entries(office: Firm) -> list[AuditLogEntry]:
    async with office.gateway.parts.database.transaction() as session:
        return [
            one
            for one in await list_account_entries(session, office.gateway.account.id)
            if one.action.startswith("alerts")
        ]


async def changes(office: Firm, **fields: str) -> Any:
    sent = {"percentages": "50, 80, 100", "email": "", "url": "", **fields}
    return await office.owner.send(ALERTS, **sent)


class TestLimitsPage:
    async def test_page_shows_rate_limits_credit_and_keys(self, office: Firm) -> None:
        said = words(await office.owner.page("/dashboard/limits"))
        assert "Requests per minute 100,000" in said
        assert "Concurrent streams 1,000" in said
        assert "Account credit limit 0% 0% CN¥0.00 / CN¥100.00" in said
        assert "Available now CN¥100.00 Limited by the credit limit of CN¥100.00" in said
        assert office.gateway.key.row.name in said
        assert "No pending deliveries" in said

    async def test_key_limits_are_listed_with_the_key(self, office: Firm) -> None:
        key = f"key_{office.gateway.key.row.id.hex}"
        await office.owner.send(f"/dashboard/keys/{key}/limits", budget="20", requests="60")
        said = words(await office.owner.page("/dashboard/limits"))
        assert "Key budget this month" not in said  # it is listed with the keys
        assert "test CN¥0.00 / CN¥20.00 60 – –" in said


CAPPED = SMALL + 'spend_cap = "20.00"\n' + INCLUDING.format(1_000)
RAISED = LARGE.replace("Small", "Large") + 'spend_cap = "80.00"\n' + INCLUDING.format(3_000)


class TestLimitsAfterPlanChange:
    async def test_overview_and_limits_show_the_spend_cap_in_force(self, office: Firm) -> None:
        """After an upgrade, the pages show the cap of the large plan and not of the small plan."""
        await offer(office.gateway, CAPPED, RAISED)
        for plan, cap in (("small", "20.00"), ("large", "80.00")):
            assert (await choose(office.gateway, plan, key=plan)).status_code == 200
            for page in ("/dashboard", "/dashboard/limits"):
                said = words(await office.owner.page(page))
                assert f"Monthly spend cap of the plan 0% 0% CN¥0.00 / CN¥{cap}" in said, page
                limited = f"Limited by the plan's monthly spend cap of CN¥{cap}"
                assert f"Available now CN¥{cap} {limited}" in said, page
        assert "20.00" not in words(await office.owner.page("/dashboard/limits"))

    async def test_credit_limit_below_the_spend_cap_is_the_named_limit(self, office: Firm) -> None:
        await offer(office.gateway, RAISED.replace("80.00", "8000.00"))
        await choose(office.gateway, "large")
        for page in ("/dashboard", "/dashboard/limits"):
            said = words(await office.owner.page(page))
            assert "Available now CN¥100.00 Limited by the credit limit of CN¥100.00" in said
            assert "Monthly spend cap of the plan 0% 0% CN¥0.00 / CN¥8,000.00" in said
            assert "Account credit limit 0% 0% CN¥0.00 / CN¥100.00" in said

    async def test_progress_bars_have_distinct_labels(self, office: Firm) -> None:
        """Two plans include the same meter, and two keys with budgets have the same name."""
        await offer(office.gateway, CAPPED, RAISED)
        for plan in ("small", "large"):
            await choose(office.gateway, plan, key=plan)
        parts = office.gateway.parts
        for _ in range(2):
            async with parts.database.transaction() as session:
                made = await create_key(
                    session,
                    parts.clock,
                    secret_key(parts.settings),
                    office.gateway.account.id,
                    "1号线",
                )
                await set_budget(
                    session, parts.clock, office.gateway.account.id, made.row.id, 10**10
                )
        for page in ("/dashboard", "/dashboard/limits", "/dashboard/plan"):
            labels = re.findall(
                r'<progress[^>]* aria-label="([^"]+)"', await office.owner.page(page)
            )
            assert len(labels) > 1
            assert len(set(labels)) == len(labels), (page, labels)


class TestAlertSettings:
    async def test_changed_settings_are_saved_and_logged_once(self, office: Firm) -> None:
        answer = await changes(office, percentages="90，30 % 90", email="li@acme.example", url=HOOK)
        secret = re.search(r"whsec_[\w+/=]+", answer.text)
        assert secret is not None
        page = await office.owner.page("/dashboard/limits")
        assert 'value="30, 90"' in page
        assert 'value="li@acme.example"' in page
        assert HOOK in page
        assert secret[0] not in page
        sent = {"percentages": "30 90", "email": "li@acme.example", "url": HOOK}
        again = await changes(office, **sent)
        assert again.headers["location"] == "/dashboard/limits?done=alerts"
        (entry,) = await entries(office)
        after = {"email": "li@acme.example", "webhook": "acme.example", "percentages": [30, 90]}
        assert entry.details["to"] == after

    async def test_errors_are_shown_beside_their_fields(self, office: Firm) -> None:
        for fields, said in (
            ({"percentages": "half"}, "Enter 1 to 20 whole percentages"),
            ({"percentages": ""}, "Enter 1 to 20 whole percentages"),
            ({"percentages": "0"}, "Enter 1 to 20 whole percentages"),
            ({"email": "nobody"}, "Enter a valid e-mail address"),
            ({"url": "ftp://acme.example"}, "A webhook URL must start with https://"),
        ):
            answer = await changes(office, **fields)
            assert answer.status_code == 422
            assert said in words(answer.text)
            assert 'aria-invalid="true"' in answer.text
        assert await entries(office) == []

    async def test_undeliverable_webhook_urls_are_rejected(self, office: Firm) -> None:
        for url, said in (
            ("https://10.0.0.1/", "This is a private or reserved address"),
            ("https://mes.local/", "This host name cannot be resolved"),
            ("https://li:secret@acme.example/", "Remove the user name and password"),
            ("https://acme.example:0/", "The host or port of this URL is not valid"),
        ):
            answer = await changes(office, url=url)
            assert answer.status_code == 422
            assert said in words(answer.text)
        assert await entries(office) == []

    async def test_unresolvable_or_private_webhook_hosts_are_rejected(self, office: Firm) -> None:
        for host, said in (
            ("missing.example", "This host name does not exist or has no address."),
            ("empty.example", "This host name does not exist or has no address."),
            ("inside.example", "This host name resolves only to private or reserved addresses"),
        ):
            answer = await changes(office, url=f"https://{host}/hook")
            assert answer.status_code == 422
            assert said in words(answer.text)
            assert f'value="https://{host}/hook"' in answer.text
        assert await entries(office) == []

    async def test_webhook_url_is_saved_with_a_warning_if_dns_does_not_answer(
        self, office: Firm
    ) -> None:
        answer = await changes(office, url="https://away.example/hook")
        assert answer.status_code == 200
        assert "DNS did not answer, so the host name was not checked." in words(answer.text)
        assert "whsec_" in answer.text
        checked = await changes(office, url="https://mixed.example/hook")
        assert "whsec_" in checked.text
        assert "DNS did not answer" not in checked.text

    async def test_alert_test_is_sent_and_its_result_is_shown(self, office: Firm) -> None:
        answer = await office.owner.send(TEST)
        assert answer.status_code == 422
        assert "Save an e-mail address or webhook first" in answer.text
        await changes(office, email="li@acme.example", url="https://hook.example.invalid.example/")
        answer = await office.owner.send(TEST)
        assert answer.status_code == 200
        said = words(answer.text)
        assert "The webhook did not accept the test event." in said
        assert "The host name cannot be resolved by DNS." in said
        assert "The test e-mail was queued." in said
        again = await office.owner.send(TEST)
        assert again.status_code == 422
        assert "A test was just sent." in again.text
        assert [one.action for one in await entries(office)] == ["alerts.tested", "alerts.changed"]


class TestLimitsAccess:
    async def test_viewer_and_developer_cannot_see_or_change_the_webhook(
        self, office: Firm
    ) -> None:
        gateway = office.gateway
        await changes(office, url=HOOK)
        for role, status in ((Role.VIEWER, 403), (Role.DEVELOPER, 403), (Role.FINANCE, 303)):
            async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
                page = await one.page("/dashboard/limits")
                # A webhook URL may contain a secret of the receiver.
                assert (HOOK in page) is (status == 303)
                assert (await one.send(ALERTS, percentages="75")).status_code == status
        assert HOOK not in await office.stranger.page("/dashboard/limits")
