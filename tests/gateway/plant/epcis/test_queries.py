"""Named queries, top-level resources, versions and subscriptions of EPCIS 2.0."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from sqlmodel import col, select

from gateway.plant.epcis.delivery import EventDelivery
from gateway.plant.epcis.errors import SubscriptionInvalid
from gateway.plant.epcis.schedules import parse_schedule
from gateway.plant.epcis.subscribed_events import SETTLE_S
from gateway.tables import AuditEntry
from infra.clock import SystemClock
from infra.outbound.webhook_post import PostFailed
from infra.secrets.sealer import Sealer
from tests.support.builders import Gateway
from tests.support.plant.epcis import document, event, item

EPCIS = "/v1/plant/epcis"
NOW = datetime(2026, 11, 30, 8, 10, 30, 5, tzinfo=UTC)  # a Monday


class TestSchedule:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"second": "0,40"}, "2026-11-30T08:10:40"),
            ({"minute": "[0-5]"}, "2026-11-30T09:00:00"),
            ({"hour": "8"}, "2026-12-01T08:00:00"),
            ({"minute": "15", "hour": "8"}, "2026-11-30T08:15:00"),
            ({"dayOfWeek": "7"}, "2026-12-06T00:00:00"),
            ({"dayOfMonth": "29", "month": "2"}, "2028-02-29T00:00:00"),
            ({"hour": 6, "dayOfMonth": "[1-2]"}, "2026-12-01T06:00:00"),
        ],
    )
    def test_next_time_matches_all_fields(self, fields: Any, expected: str) -> None:
        found = parse_schedule(fields).next_after(NOW)
        assert found is not None
        assert found.replace(tzinfo=None).isoformat() == expected

    @pytest.mark.parametrize(
        "fields",
        [None, {}, {"week": "1"}, {"hour": "24"}, {"hour": ""}, {"hour": "[5-1]"}, {"hour": True},
         {"hour": "x"}, {"dayOfMonth": "31", "month": "2"}, {"second": "1," * 200}],
    )  # fmt: skip
    def test_invalid_schedule_is_rejected(self, fields: Any) -> None:
        with pytest.raises(SubscriptionInvalid):
            parse_schedule(fields)


async def capture(gateway: Gateway, *events: Any) -> None:
    answer = await gateway.http.post(f"{EPCIS}/capture", json=document(*events))
    assert answer.json()["success"], answer.text


def event_ids(found: Any) -> set[str]:
    events = found["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    return {one["eventID"] for one in events}


class TestJsonConditions:
    async def test_conditions_on_the_json_of_events(self, shared_gateway: Gateway) -> None:
        quantity = {"epcClass": item("class"), "quantity": 12, "uom": "KGM"}
        report = {"type": "Temperature", "value": 80.5, "uom": "CEL", "deviceID": item("probe")}
        sent = event(
            "ObjectEvent",
            epcList=[item("json")],
            eventID=item("json-event"),
            quantityList=[quantity],
            sourceList=[{"type": "owning_party", "source": item("seller")}],
            destinationList=[
                {"type": "https://ref.gs1.org/cbv/SDT-location", "destination": item("site")}
            ],
            persistentDisposition={"set": ["completeness_verified"]},
            sensorElementList=[{"sensorReport": [report]}],
            ilmd={"maas:lot": "L-7"},
            **{"maas:shift": "night", "maas:order": {"maas:line": 4}},
        )
        await capture(shared_gateway, sent)
        matching = {
            "EQ_source_owning_party": f"{item('other')}|{item('seller')}",
            "EQ_destination_location": item("site"),
            "EQ_destination_urn:epcglobal:cbv:sdt:location": item("site"),
            "EQ_persistentDisposition_set": "completeness_verified",
            "GE_quantity": "12",
            "LT_quantity": "12.5",
            "EQ_type": "Temperature",
            "EQ_deviceID": item("probe"),
            "GT_value_CEL": "80",
            "EQ_maas:shift": "night",
            "EQ_ILMD_maas:lot": "L-7",
            "GE_INNER_maas:line": "4",
            "EXISTS_maas:order": "",
            "EXISTS_INNER_maas:line": "",
            "EXISTS_sensorElementList": "",
            "maxEventCount": "1",
            "WD_bizLocation": None,
        }
        base = {"EQ_eventID": item("json-event")}
        for name, value in matching.items():
            if value is None:
                continue
            answer = await shared_gateway.http.get(f"{EPCIS}/events", params={**base, name: value})
            assert answer.status_code == 200, answer.text
            assert event_ids(answer.json()) == {item("json-event")}, name
        other = {
            "EQ_source_owning_party": item("site"),
            "EQ_persistentDisposition_unset": "completeness_verified",
            "GT_quantity": "12",
            "GE_value_KEL": "1",
            "EQ_maas:shift": "day",
            "EQ_maas:line": "4",
            "EXISTS_ILMD_maas:shift": "",
            "WD_bizLocation": item("nowhere"),
            "EQ_errorReason": "did_not_occur",
            'EQ_a:b" ? (1 == 1) || $.x."': "x",
        }
        for name, value in other.items():
            answer = await shared_gateway.http.get(f"{EPCIS}/events", params={**base, name: value})
            assert event_ids(answer.json()) == set(), name
        for name, value in (("GE_quantity", "many"), ("EQ_value_", "1"), ("HASATTR_x:y", "z")):
            answer = await shared_gateway.http.get(f"{EPCIS}/events", params={name: value})
            assert answer.json()["error"]["param"] == name
        await capture(shared_gateway, {**sent, "eventID": item("json-event-2")})
        answer = await shared_gateway.http.get(
            f"{EPCIS}/events", params={"MATCH_epc": item("json"), "maxEventCount": 1}
        )
        assert answer.json()["error"]["code"] == "epcis_query_too_large"

    async def test_event_meets_a_condition_if_one_of_several_values_does(
        self, shared_gateway: Gateway
    ) -> None:
        """Texts and numbers may be mixed; `_` and `%` of patterns stand for themselves."""
        report = {"type": "Temperature", "value": 80.5, "uom": "CEL", "booleanValue": True}
        sent = event(
            "ObjectEvent",
            epcList=[item("several_100%-1")],
            eventID=item("several-event"),
            quantityList=[{"epcClass": item("class"), "quantity": 12, "uom": "KGM"}],
            persistentDisposition={"set": ["completeness_verified"]},
            sensorElementList=[{"sensorReport": [report]}],
            **{"maas:shift": "night", "maas:order": {"maas:line": 4}},
        )
        await capture(shared_gateway, sent)
        conditions = {
            "EQ_persistentDisposition_set": ("unknown|completeness_verified", "unknown|other"),
            "EQ_type": ("Speed|Temperature", "Speed|Pressure"),
            "EQ_booleanValue": ("false|true", "false"),
            "EQ_quantity": ("11|12", "11|13"),
            "GT_value_CEL": ("90|80", "90|100"),
            "EQ_maas:shift": ("7|night", "7|day"),
            "EQ_INNER_maas:line": ("a|3|4", "a|3|5"),
            "LT_INNER_maas:line": ("a|4.5", "a|4"),
            "MATCH_epc": (f"{item('x*')}|{item('several_100%*')}", f"{item('several-100*')}"),
        }
        base = {"EQ_eventID": item("several-event")}
        for name, (matching, other) in conditions.items():
            for value, expected in ((matching, {item("several-event")}), (other, set())):
                params = {**base, name: value}
                answer = await shared_gateway.http.get(f"{EPCIS}/events", params=params)
                assert event_ids(answer.json()) == expected, (name, value)
        refused = await shared_gateway.http.get(f"{EPCIS}/events", params={"EQ_quantity": "1|x"})
        assert refused.json()["error"]["param"] == "EQ_quantity"


class TestNamedQueries:
    async def test_query_is_stored_run_by_page_and_deleted(self, shared_gateway: Gateway) -> None:
        http = shared_gateway.http
        sent = [event("ObjectEvent", 2, n, epcList=[item(f"n-{n}")]) for n in range(3)]
        await capture(shared_gateway, *sent)
        query = {"MATCH_epc": [item("n-0"), item("n-1"), item("n-2")], "orderBy": "eventTime"}
        body = {"name": "my-parts", "query": query}
        made = await http.post(f"{EPCIS}/queries", json=body)
        assert made.status_code == 201, made.text
        assert made.headers["location"] == f"{EPCIS}/queries/my-parts"
        taken = await http.post(f"{EPCIS}/queries", json=body)
        assert taken.json()["error"]["code"] == "epcis_query_exists"
        found: set[str] = set()
        address = f"{EPCIS}/queries/my-parts/events?perPage=2"
        for size in (2, 1):
            answer = await http.get(address)
            page = event_ids(answer.json())
            assert len(page) == size
            found |= page
            results = answer.json()["epcisBody"]["queryResults"]
            assert results["queryName"] == "my-parts"
            address = answer.headers.get("link", "").partition(">")[0].lstrip("<")
        assert (len(found), address) == (3, "")
        refused = await http.get(f"{EPCIS}/queries/my-parts/events?EQ_action=ADD")
        assert refused.json()["error"]["param"] == "EQ_action"
        listed = (await http.get(f"{EPCIS}/queries")).json()
        assert [one["name"] for one in listed] == ["my-parts"]
        assert (await http.delete(f"{EPCIS}/queries/my-parts")).status_code == 204
        assert (await http.get(f"{EPCIS}/queries/my-parts")).status_code == 404

    @pytest.mark.parametrize(
        "body",
        [
            {"name": "", "query": {}},
            {"name": "a/b", "query": {}},
            {"name": "x", "query": []},
            {"name": "x", "query": {"nonsense": "1"}},
            {"name": "x", "query": {"EQ_action": {"a": 1}}},
            {"name": "x"},
        ],
    )
    async def test_invalid_query_is_rejected(self, shared_gateway: Gateway, body: Any) -> None:
        answer = await shared_gateway.http.post(f"{EPCIS}/queries", json=body)
        assert answer.status_code == 400


class TestResources:
    async def test_values_and_their_events(self, shared_gateway: Gateway) -> None:
        http = shared_gateway.http
        place = "https://id.gs1.org/414/9506000100003"
        sent = [
            event(
                "ObjectEvent",
                3,
                epcList=[item(name)],
                bizStep=step,
                readPoint={"id": place},
                eventID=item(f"resource-{name}"),
            )
            for name, step in (("r-1", "packing"), ("r-2", "loading"))
        ]
        await capture(shared_gateway, *sent)
        steps = (await http.get(f"{EPCIS}/bizSteps")).json()["member"]
        assert {"packing", "loading"} <= set(steps)
        assert place in (await http.get(f"{EPCIS}/readPoints")).json()["member"]
        assert "ObjectEvent" in (await http.get(f"{EPCIS}/eventTypes")).json()["member"]
        first = await http.get(f"{EPCIS}/epcs?perPage=1")
        link = first.headers["link"].partition(">")[0].lstrip("<")
        second = await http.get(link)
        assert first.json()["member"] < second.json()["member"]
        below = f"{EPCIS}/readPoints/{quote(place, safe='')}"
        assert (await http.get(below)).json()["member"] == ["events"]
        events = (await http.get(f"{below}/events?EQ_bizStep=packing")).json()
        assert event_ids(events) == {item("resource-r-1")}
        one = (await http.get(f"{EPCIS}/epcs/{quote(item('r-2'), safe='')}/events")).json()
        assert event_ids(one) == {item("resource-r-2")}
        for query in ("perPage=0", "nextPageToken=%21", "nextPageToken=AA"):
            answer = await http.get(f"{EPCIS}/epcs?{query}")
            assert answer.json()["error"]["code"] == "epcis_query_invalid", query

    async def test_capture_jobs_are_listed_by_page(self, shared_gateway: Gateway) -> None:
        for name in ("c-1", "c-2"):
            await capture(shared_gateway, event("ObjectEvent", epcList=[item(name)]))
        first = await shared_gateway.http.get(f"{EPCIS}/capture?perPage=1")
        link = first.headers["link"].partition(">")[0].lstrip("<")
        second = await shared_gateway.http.get(link)
        assert first.json()[0]["captureID"] > second.json()[0]["captureID"]


class TestVersions:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 200),
            ({"GS1-EPCIS-Version": "2.0"}, 200),
            ({"GS1-EPCIS-Min": "1.2", "GS1-EPCIS-Max": "2.0.0"}, 200),
            ({"GS1-EPCIS-Version": "1.2"}, 406),
            ({"GS1-CBV-Min": "2.1"}, 406),
            ({"GS1-EPCIS-Max": "1.2.0"}, 406),
            ({"GS1-EPCIS-Version": "x"}, 406),
        ],
    )
    async def test_other_versions_are_refused_and_ours_is_stated(
        self, shared_gateway: Gateway, headers: dict[str, str], status: int
    ) -> None:
        answer = await shared_gateway.http.get(f"{EPCIS}/queries", headers=headers)
        assert answer.status_code == status
        if status == 200:
            assert answer.headers["GS1-EPCIS-Version"] == "2.0.0"


class Moved(SystemClock):
    """A clock that is ahead."""

    ahead = timedelta(seconds=SETTLE_S + 1)

    def now(self) -> datetime:
        return super().now() + self.ahead


class Receiver:
    """Takes the place of the poster: keeps what is sent, or fails."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.error: str | None = None

    async def post(
        self, url: str, secret: str, key: str, payload: dict[str, Any], at: datetime
    ) -> None:
        if self.error is not None:
            raise PostFailed(self.error)
        assert secret.startswith("whsec_")
        self.sent.append(payload)


class TestSubscriptions:
    async def test_new_events_are_delivered_once_and_again_after_an_error(
        self, shared_gateway: Gateway
    ) -> None:
        gateway = shared_gateway
        http = gateway.http
        body = {"name": "mine", "query": {"MATCH_epc": item("sub-*")}}
        assert (await http.post(f"{EPCIS}/queries", json=body)).status_code == 201
        path = f"{EPCIS}/queries/mine/subscriptions"
        wanted = {"dest": "https://8.8.8.8/epcis", "stream": True}
        made = await http.post(path, json=wanted)
        assert made.status_code == 201, made.text
        name = made.json()["subscriptionID"]
        receiver, clock = Receiver(), Moved()
        parts = gateway.parts
        place = (parts.database, clock, Sealer(parts.pepper))
        delivery = EventDelivery(*place, receiver)  # type: ignore[arg-type]
        first = event("ObjectEvent", epcList=[item("sub-1")], eventID=item("sub-event-1"))
        other = event("ObjectEvent", epcList=[item("none")], eventID=item("sub-event-2"))
        await capture(gateway, first, other)
        receiver.error = "the receiver responded with HTTP status 500"
        assert await delivery.deliver_due()
        shown = (await http.get(f"{path}/{name}")).json()
        assert (shown["failures"], shown["lastError"]) == (1, receiver.error)
        receiver.error = None
        clock.ahead += timedelta(seconds=11)
        assert await delivery.deliver_due()
        assert [event_ids(one) for one in receiver.sent] == [{item("sub-event-1")}]
        assert receiver.sent[0]["epcisBody"]["queryResults"]["subscriptionID"] == name
        clock.ahead += timedelta(seconds=11)
        assert await delivery.deliver_due()
        assert len(receiver.sent) == 1
        assert not await delivery.deliver_due()
        assert (await http.get(f"{path}/{name}")).json()["failures"] == 0
        paused = await http.post(f"{path}/{name}/pause")
        assert paused.json()["pausedAt"]
        clock.ahead += timedelta(seconds=11)
        assert not await delivery.deliver_due()
        assert (await http.post(f"{path}/{name}/resume")).json()["pausedAt"] is None
        assert await delivery.deliver_due()
        assert (await http.delete(f"{path}/{name}")).status_code == 204
        assert (await http.get(path)).json() == []
        async with parts.database.transaction() as session:
            query = select(col(AuditEntry.action)).where(col(AuditEntry.subject) == name)
            actions = (await session.scalars(query.order_by(col(AuditEntry.id)))).all()
        names = ("created", "paused", "resumed", "ended")
        assert actions == [f"epcis.subscription_{one}" for one in names]

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "schedule"),
            ({"dest": "https://8.8.8.8/x"}, "schedule"),
            ({"dest": "ftp://8.8.8.8/x", "stream": True}, "url"),
            ({"dest": "http://10.0.0.1/x", "stream": True}, "url"),
            ({"dest": 5, "stream": True}, "dest"),
            ({"dest": "https://8.8.8.8/x", "schedule": {"hour": "25"}}, "schedule.hour"),
            ({"dest": "https://8.8.8.8/x", "stream": True, "schedule": {"hour": "1"}},
             "schedule"),
            ({"dest": "https://8.8.8.8/x", "stream": True, "initialRecordTime": "now"},
             "initialRecordTime"),
            ({"colour": "red"}, None),
        ],
    )  # fmt: skip
    async def test_invalid_subscription_is_rejected(
        self, shared_gateway: Gateway, body: Any, param: str | None
    ) -> None:
        query = {"name": "to-refuse", "query": {}}
        await shared_gateway.http.post(f"{EPCIS}/queries", json=query)
        path = f"{EPCIS}/queries/to-refuse/subscriptions"
        answer = await shared_gateway.http.post(path, json=body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["param"] == param
