"""Limits and alerts on a page: what there is, who is told, a test; and for those who may."""

import re
from typing import Any

from sqlmodel import col, select

from billing.tables import OutboxItem
from gateway.identity.audit import Entry, entries_of
from gateway.identity.roles import Role
from tests.gateway.dashboard.conftest import Firm
from tests.gateway.dashboard.looking import looker, words

ALERTS, TEST = "/dashboard/limits/alerts", "/dashboard/limits/test"
HOOK = "https://acme.example/hook?token=hidden"


async def entries(office: Firm) -> list[Entry]:
    async with office.gateway.parts.database.transaction() as session:
        return [
            one
            for one in await entries_of(session, office.gateway.account.id)
            if one.action.startswith("alerts")
        ]


async def waiting(office: Firm) -> list[OutboxItem]:
    async with office.gateway.parts.database.transaction() as session:
        query = select(OutboxItem).where(col(OutboxItem.subject).contains("alert-test"))
        return list((await session.scalars(query)).all())


async def changes(office: Firm, **fields: str) -> Any:
    sent = {"percentages": "50, 80, 100", "email": "", "url": "", **fields}
    return await office.owner.send(ALERTS, **sent)


class TestWhatThereIs:
    async def test_it_is_shown(self, office: Firm) -> None:
        said = words(await office.owner.page("/dashboard/limits"))
        assert "Calls a minute 100,000" in said
        assert "Streams at once 1,000" in said
        assert "Credit 0% 0% CN¥0.00 / CN¥100.00" in said
        assert office.gateway.key.row.name in said
        assert "Nothing is stuck" in said

    async def test_of_a_key(self, office: Firm) -> None:
        key = f"key_{office.gateway.key.row.id.hex}"
        await office.owner.send(f"/dashboard/keys/{key}/limits", budget="20", requests="60")
        said = words(await office.owner.page("/dashboard/limits"))
        assert "Budget of a key" not in said  # it stands with the keys
        assert "test CN¥0.00 / CN¥20.00 60 – –" in said


class TestAlerts:
    async def test_they_are_changed(self, office: Firm) -> None:
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

    async def test_mistakes(self, office: Firm) -> None:
        for fields, said in (
            ({"percentages": "half"}, "Write 1 to 20 whole percentages"),
            ({"percentages": ""}, "Write 1 to 20 whole percentages"),
            ({"percentages": "0"}, "Write 1 to 20 whole percentages"),
            ({"email": "nobody"}, "This is not an e-mail address"),
            ({"url": "ftp://acme.example"}, "An address begins with https://"),
        ):
            answer = await changes(office, **fields)
            assert answer.status_code == 422
            assert said in words(answer.text)
            assert 'aria-invalid="true"' in answer.text
        assert await entries(office) == []

    async def test_a_test(self, office: Firm) -> None:
        answer = await office.owner.send(TEST)
        assert answer.status_code == 422
        assert "Write an e-mail address or a webhook first" in answer.text
        await changes(office, email="li@acme.example", url=HOOK)
        for _ in range(2):
            answer = await office.owner.send(TEST)
            assert answer.headers["location"] == "/dashboard/limits?done=test"
        assert sorted(item.action for item in await waiting(office)) == ["alert", "email"]


class TestWhoMay:
    async def test_roles(self, office: Firm) -> None:
        gateway = office.gateway
        await changes(office, url=HOOK)
        for role, status in ((Role.VIEWER, 403), (Role.DEVELOPER, 403), (Role.FINANCE, 303)):
            async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
                page = await one.page("/dashboard/limits")
                # An address may hold a secret of the receiver's.
                assert (HOOK in page) is (status == 303)
                assert (await one.send(ALERTS, percentages="75")).status_code == status
        assert HOOK not in await office.stranger.page("/dashboard/limits")
