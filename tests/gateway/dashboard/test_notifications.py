"""Notification endpoints on pages and by the API: added, tested, delivered again, removed."""

import re
from typing import Any

import pytest

from gateway.identity.audit_log import list_account_entries
from tests.gateway.dashboard.api_reading import api
from tests.support.billing.making import sql
from tests.support.billing.notifying import make_dispatcher
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import client, words
from tests.support.gateway.errors import error_of

URL = "/dashboard/notifications"
API = "/v1/notification_endpoints"
WECOM = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=11111111-aaaa-bbbb-cccc-222222227777"


@pytest.fixture(scope="module")
async def firm(shared_firm: Firm) -> Firm:
    """Shared by all tests of this module, which follow each other."""
    return shared_firm


async def endpoints(firm: Firm) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = (await api(firm, API))["data"]
    return data


async def own_address(firm: Firm) -> str:
    """The address of the owner, which needs no confirmation."""
    query = "select email from person where id = :id"
    ((email,),) = await sql(firm.gateway.parts.database, query, id=firm.owner.person_id)
    return str(email)


async def mailed_link(firm: Firm) -> str:
    """The path of the link in the only e-mail that asks for a confirmation."""
    query = "select payload from outbox where subject like 'notification_endpoint_confirmation:%'"
    ((payload,),) = await sql(firm.gateway.parts.database, query)
    found = re.search(r"(/dashboard/confirm-notifications/\S+)", payload["text"])
    assert found is not None
    return found[1]


async def test_mailbox_of_somebody_else_receives_nothing_until_its_reader_agrees(
    firm: Firm,
) -> None:
    http = firm.gateway.http
    body = {"kind": "email", "address": "boss@plant.example", "language": "en"}
    made = [(await http.post(API, json=body)).json() for _ in range(2)]
    assert [one["disabled_reason"] for one in made] == ["unconfirmed", "unconfirmed"]
    place = f"{API}/{made[0]['id']}"
    for answer in (
        await http.post(f"{place}/test"),
        await http.post(place, json={"enabled": True}),
    ):
        assert (answer.status_code, error_of(answer)["code"]) == (
            409,
            "notification_endpoint_unconfirmed",
        )
    # Disabling it first is no way around.
    assert (await http.post(place, json={"enabled": False})).json()["status"] == "disabled"
    assert (await http.post(place, json={"enabled": True})).status_code == 409
    assert "Nothing is sent until" in words(await firm.owner.page(f"{URL}/{made[0]['id']}"))
    link = await mailed_link(firm)
    async with client(firm.gateway.url) as reader:
        assert "boss@plant.example" in (await reader.get(link)).text
        assert (await http.get(place)).json()["status"] == "disabled"
        for _ in range(2):
            assert "Mailbox confirmed" in words((await reader.post(link)).text)
        for wrong in (link[:-6], f"{link}A", "/dashboard/confirm-notifications/x"):
            assert (await reader.post(wrong)).status_code == 410
    assert {(await http.get(f"{API}/{one['id']}")).json()["status"] for one in made} == {"enabled"}
    moved = (await http.post(place, json={"address": "other@plant.example"})).json()
    assert (moved["status"], moved["disabled_reason"]) == ("disabled", "unconfirmed")
    for one in made:
        await http.delete(f"{API}/{one['id']}")
    async with client(firm.gateway.url) as reader:
        assert (await reader.post(link)).status_code == 410


async def test_page_adds_a_robot_and_shows_no_key(firm: Firm) -> None:
    sent = await firm.owner.send(
        URL, kind="wecom", address=WECOM, description="生产群", language="zh", events_jobs="on",
        types="invoice.paid，batch.completed",
    )  # fmt: skip
    assert sent.headers["location"] == f"{URL}?done=added"
    (made,) = await endpoints(firm)
    assert made["enabled_events"] == ["jobs", "invoice.paid", "batch.completed"]
    assert made["address"].endswith("?key=…7777")
    page = await firm.owner.page(URL)
    assert ("生产群" in page, "11111111-aaaa" in page) == (True, False)
    own = await firm.owner.page(f"{URL}/{made['id']}")
    assert 'name="events_jobs" value="on" checked' in own
    assert "batch.completed" in own


async def test_invalid_input_is_shown_beside_its_field_and_kept(firm: Firm) -> None:
    wrong = await firm.owner.send(
        URL, kind="dingtalk", address="https://evil.example/robot/send?access_token=1",
        description="Kept text", language="zh", events_all="on",
    )  # fmt: skip
    assert (wrong.status_code, "Kept text" in wrong.text) == (422, True)
    assert "This address is not valid for the kind." in words(wrong.text)
    (made,) = await endpoints(firm)
    nothing = await firm.owner.send(f"{URL}/{made['id']}", language="zh", description="")
    assert (nothing.status_code, "Choose at least one event." in nothing.text) == (422, True)


async def test_webhook_shows_its_secret_once_and_the_log_its_attempts(firm: Firm) -> None:
    sent = await firm.owner.send(
        URL, kind="webhook", address="https://hook.invalid.example/", language="en", events_all="on"
    )
    secret = re.search(r"whsec_[\w+/=]+", sent.text)
    assert secret is not None
    made = (await endpoints(firm))[-1]
    assert (made["has_secret"], "secret" in made) == (True, False)
    tested = await firm.owner.send(f"{URL}/{made['id']}/test")
    assert "The test message was not delivered." in tested.text
    again = await firm.owner.send(f"{URL}/{made['id']}/test")
    assert (again.status_code, "10 seconds" in again.text) == (422, True)
    (logged,) = (await api(firm, f"/v1/notification_deliveries?endpoint={made['id']}"))["data"]
    page = await firm.owner.page(f"{URL}/deliveries/{logged['id']}")
    assert "notification_endpoint.test" in page
    assert "cannot be resolved" in page
    rolled = await firm.owner.send(f"{URL}/{made['id']}/roll")
    assert "whsec_" in rolled.text
    assert secret[0] not in rolled.text


async def test_delivery_is_repeated_with_the_same_event_id(firm: Firm) -> None:
    (logged,) = (await api(firm, "/v1/notification_deliveries?status=failed"))["data"]
    parts = firm.gateway.parts
    sent = await firm.owner.send(f"{URL}/deliveries/{logged['id']}/again")
    assert sent.headers["location"] == f"{URL}/deliveries/{logged['id']}"
    twice = await firm.owner.send(f"{URL}/deliveries/{logged['id']}/again")
    assert twice.status_code == 422
    # The endpoint pauses after the test, which had no response.
    await sql(parts.database, "update notification_endpoint set due_at = created_at")
    assert await make_dispatcher(parts.database, parts.clock).send_due() == 1
    detail = await api(firm, f"/v1/notification_deliveries/{logged['id']}")
    assert (len(detail["log"]), detail["event"]) == (2, logged["event"])
    filtered = await firm.owner.page(f"{URL}?status=pending&type=notification_endpoint.test")
    assert logged["id"] in filtered
    assert logged["id"] not in await firm.owner.page(f"{URL}?status=delivered")


async def test_endpoint_is_disabled_enabled_and_removed(firm: Firm) -> None:
    made = (await endpoints(firm))[0]
    await firm.owner.send(f"{URL}/{made['id']}/disable")
    assert (await endpoints(firm))[0]["disabled_reason"] == "owner"
    await firm.owner.send(f"{URL}/{made['id']}/enable")
    assert (await endpoints(firm))[0]["status"] == "enabled"
    assert (await firm.owner.send(f"{URL}/{made['id']}/explode")).status_code == 404
    await firm.owner.send(f"{URL}/{made['id']}/remove")
    assert made["id"] not in [one["id"] for one in await endpoints(firm)]
    async with firm.gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, firm.gateway.account.id, limit=50)
    actions = {one.action for one in entries if one.action.startswith("alerts.")}
    assert actions == {
        "alerts.endpoint_added",
        "alerts.endpoint_changed",
        "alerts.endpoint_confirmed",
        "alerts.endpoint_removed",
        "alerts.endpoint_tested",
        "alerts.secret_rolled",
        "alerts.delivery_repeated",
    }
    assert "11111111-aaaa" not in str([one.details for one in entries])


async def test_api_creates_changes_tests_and_removes(firm: Firm) -> None:
    http = firm.gateway.http
    body = {"kind": "email", "address": await own_address(firm), "enabled_events": ["invoices"]}
    made = (await http.post(API, json=body)).json()
    place = f"{API}/{made['id']}"
    changed = (await http.post(place, json={"language": "en", "enabled": False})).json()
    assert (changed["language"], changed["status"]) == ("en", "disabled")
    assert (await http.get(place)).json() == changed
    assert (await http.post(f"{place}/test")).json()["delivered"] is True
    rolled = await http.post(f"{place}/roll_secret")
    assert (rolled.status_code, error_of(rolled)["param"]) == (400, "kind")
    assert (await http.delete(place)).json()["deleted"] is True
    for answer in (await http.get(place), await http.post(f"{API}/x/test")):
        assert (answer.status_code, error_of(answer)["code"]) == (
            404,
            "notification_endpoint_not_found",
        )
    missing = await http.post("/v1/notification_deliveries/nd_1/redeliver")
    assert error_of(missing)["code"] == "notification_delivery_not_found"
    groups = (await http.get(f"{API}/event_types")).json()["data"]
    assert {"batches", "invoices", "disputes"} <= {one["group"] for one in groups}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"kind": "wecom", "address": "http://qyapi.weixin.qq.com/x"}, "address"),
        ({"kind": "webhook", "address": "https://10.0.0.1/"}, "address"),
        ({"kind": "email", "address": "nobody"}, "address"),
        ({"kind": "wecom", "address": WECOM, "secret": "x"}, "secret"),
        ({"kind": "wecom", "address": WECOM, "enabled_events": ["nope"]}, "enabled_events"),
        ({"kind": "wecom", "address": WECOM, "enabled_events": []}, "enabled_events"),
        ({"kind": "pager", "address": WECOM}, "kind"),
        ({"kind": "wecom", "address": WECOM, "colour": 1}, "colour"),
    ],
)
async def test_invalid_endpoint_is_rejected_with_400(
    firm: Firm, body: dict[str, Any], param: str
) -> None:
    answer = await firm.gateway.http.post(API, json=body)
    assert (answer.status_code, error_of(answer)["param"]) == (400, param)
