"""Mailboxes that wait for their reader: tokens of links, one e-mail a day, no way around."""

import re
from datetime import timedelta

import pytest

from billing.notifications.endpoints.confirmation import (
    Confirmation,
    NotificationConfirmationInvalid,
    NotificationEndpointUnconfirmed,
    confirm_endpoints,
    enqueue_confirmation,
    is_confirmed_before,
    read_token,
    seal_token,
)
from billing.notifications.endpoints.endpoints import StoredEndpoint
from billing.notifications.endpoints.trial import send_test_message
from infra import ids
from tests.support.billing.making import sql
from tests.support.billing.notified import Notified
from tests.support.builders import SEALER

BOSS = "boss@plant.example"


async def waiting(notified: Notified) -> StoredEndpoint:
    return await notified.add("email", BOSS, is_confirmed=False)


def confirmation(notified: Notified) -> Confirmation:
    return Confirmation(notified.account_id, BOSS)


class TestToken:
    def test_token_names_account_and_address_for_seven_days(self, notified: Notified) -> None:
        now = notified.story.clock.now()
        wanted = Confirmation(ids.new_id(), BOSS)
        token = seal_token(SEALER, wanted, now)
        assert read_token(SEALER, token, now + timedelta(days=7)) == wanted
        for wrong in (token[:-8], "", "x" * 5_000, "ü"):
            with pytest.raises(NotificationConfirmationInvalid):
                read_token(SEALER, wrong, now)
        with pytest.raises(NotificationConfirmationInvalid):
            read_token(SEALER, token, now + timedelta(days=7, seconds=1))


class TestConfirmation:
    async def test_endpoint_is_silent_until_confirmed(self, notified: Notified) -> None:
        endpoint = await waiting(notified)
        story, wanted = notified.story, confirmation(notified)
        await notified.emit("1")
        assert await sql(story.database, "select id from notification_delivery") == []
        place = (story.database, story.clock, SEALER, notified.sender)
        with pytest.raises(NotificationEndpointUnconfirmed):
            await send_test_message(*place, notified.account_id, endpoint.row.id)
        with pytest.raises(NotificationEndpointUnconfirmed):
            await notified.change(endpoint, enabled=True)
        assert not (await notified.change(endpoint, enabled=False)).row.enabled
        async with story.database.transaction() as session:
            assert not await is_confirmed_before(session, wanted)
            assert len(await confirm_endpoints(session, story.clock, wanted)) == 1
            assert list(await confirm_endpoints(session, story.clock, wanted)) == []
            assert await is_confirmed_before(session, wanted)
        await notified.emit("2")
        assert len(await sql(story.database, "select id from notification_delivery")) == 1

    async def test_new_address_needs_its_own_confirmation(self, notified: Notified) -> None:
        endpoint = await waiting(notified)
        own = await notified.change(endpoint, address="li@acme.example")
        assert (own.row.enabled, own.row.disabled_reason) == (True, "")
        other = await notified.change(own, address=BOSS, is_confirmed=False)
        assert (other.row.enabled, other.row.disabled_reason) == (False, "unconfirmed")
        stranger = Confirmation(notified.account_id, "li@acme.example")
        async with notified.story.database.transaction() as session:
            with pytest.raises(NotificationConfirmationInvalid):
                await confirm_endpoints(session, notified.story.clock, stranger)

    async def test_link_is_mailed_once_a_day(self, notified: Notified) -> None:
        story, wanted = notified.story, confirmation(notified)
        for _ in range(2):
            async with story.database.transaction() as session:
                place = (session, story.clock, SEALER, wanted, "zh", "https://maas.example")
                await enqueue_confirmation(*place)
        ((payload,),) = await sql(story.database, "select payload from outbox")
        assert payload["to"] == BOSS
        assert "请确认" in payload["subject"]
        link = re.search(
            r"https://maas.example/dashboard/confirm-notifications/(\S+)", payload["text"]
        )
        assert link is not None
        assert read_token(SEALER, link[1], story.clock.now()) == wanted
