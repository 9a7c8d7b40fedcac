"""Capture and query interfaces of EPCIS 2.0 over HTTP, and traces, on one gateway."""

from typing import Any
from urllib.parse import quote

import httpx
import jsonschema
import pytest

from tests.support.builders import NO_TLS, Gateway, customer
from tests.support.plant.epcis import document, event, item, made
from tests.support.plant.gs1 import EXAMPLES, examples, schema

EPCIS = "/v1/plant/epcis"


async def capture(gateway: Gateway, *events: Any, **headers: str) -> dict[str, Any]:
    answer = await gateway.http.post(f"{EPCIS}/capture", json=document(*events), headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"].startswith(f"{EPCIS}/capture/capture_")
    return answer.json()


async def query(gateway: Gateway, **parameters: Any) -> list[dict[str, Any]]:
    answer = await gateway.http.get(f"{EPCIS}/events", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]


async def ids_of(gateway: Gateway, **parameters: Any) -> set[str]:
    return {one["eventID"] for one in await query(gateway, **parameters)}


class TestCapture:
    async def test_same_document_again_stores_nothing(self, shared_gateway: Gateway) -> None:
        sent = [made(item("once-in"), into=item("once-out"))]
        first = await capture(shared_gateway, *sent)
        assert (first["success"], first["stored"], first["unchanged"]) == (True, 1, 0)
        again = await capture(shared_gateway, *sent)
        assert (again["success"], again["stored"], again["unchanged"]) == (True, 0, 1)
        job = await shared_gateway.http.get(f"{EPCIS}/capture/{again['captureID']}")
        assert job.json() == again

    async def test_invalid_event_rolls_back_or_lets_the_others_proceed(
        self, shared_gateway: Gateway
    ) -> None:
        sent = [event("ObjectEvent", epcList=[item("partial")]), {"type": "Nonsense"}]
        rolled = await capture(shared_gateway, *sent)
        assert (rolled["success"], rolled["stored"]) == (False, 0)
        assert [one["event"] for one in rolled["errors"]] == [1]
        headers = {"GS1-Capture-Error-Behaviour": "proceed"}
        went_on = await capture(shared_gateway, *sent, **headers)
        assert (went_on["success"], went_on["stored"]) == (False, 1)

    async def test_other_event_with_a_stored_id_is_a_conflict(
        self, shared_gateway: Gateway
    ) -> None:
        first = event("ObjectEvent", epcList=[item("x")], eventID=item("event-1"))
        assert (await capture(shared_gateway, first))["success"]
        other = {**first, "epcList": [item("y")]}
        refused = await capture(shared_gateway, other)
        assert [one["code"] for one in refused["errors"]] == ["epcis_event_conflict"]
        single = await shared_gateway.http.post(f"{EPCIS}/events", json=other)
        assert single.status_code == 409

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"type": "EPCISDocument"}'])
    async def test_other_bodies_are_rejected(self, shared_gateway: Gateway, body: bytes) -> None:
        answer = await shared_gateway.http.post(f"{EPCIS}/capture", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"]

    async def test_single_event_gets_its_hash_as_id(self, shared_gateway: Gateway) -> None:
        sent = event("ObjectEvent", epcList=[item("single")])
        answer = await shared_gateway.http.post(f"{EPCIS}/events", json=sent)
        assert answer.status_code == 201
        name = answer.json()["eventID"]
        assert name.startswith("ni:///sha-256;")
        found = await shared_gateway.http.get(answer.headers["location"])
        events = found.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
        assert [one["eventID"] for one in events] == [name]


class TestQuery:
    async def test_conditions_select_events(self, shared_gateway: Gateway) -> None:
        gateway = shared_gateway
        order = [{"type": "po", "bizTransaction": item("po-1")}]
        a, b, c = (item(f"q-{name}") for name in "abc")
        sent = [
            event("ObjectEvent", 1, epcList=[a], bizStep="shipping", bizTransactionList=order),
            event("AggregationEvent", 2, parentID=b, childEPCs=[a], action="ADD"),
            made(a, into=c, day=3),
        ]
        names = [f"{item('query')}-{number}" for number in range(3)]
        for one, name in zip(sent, names, strict=True):
            one["eventID"] = name
        await capture(gateway, *sent)
        first, second, third = names
        assert await ids_of(gateway, MATCH_anyEPC=a) == {first, second, third}
        assert await ids_of(gateway, MATCH_epc=a) == {first, second}
        assert await ids_of(gateway, MATCH_parentID=b) == {second}
        assert await ids_of(gateway, MATCH_inputEPC=a) == {third}
        assert await ids_of(gateway, MATCH_outputEPC=f"{c}|{a}") == {third}
        assert await ids_of(gateway, MATCH_anyEPC=item("q-*")) == {first, second, third}
        by_order = {"EQ_bizTransaction_po": item("po-1")}
        assert await ids_of(gateway, **by_order) == {first}
        both = {"MATCH_anyEPC": a, "eventType": "ObjectEvent|TransformationEvent"}
        assert await ids_of(gateway, **both) == {first, third}
        step = {"EQ_bizStep": "https://ref.gs1.org/cbv/BizStep-shipping", "EQ_eventID": first}
        assert await ids_of(gateway, **step) == {first}
        period = {"GE_eventTime": "2026-11-02T00:00:00Z", "LT_eventTime": "2026-11-03T00:00:00Z"}
        assert await ids_of(gateway, MATCH_anyEPC=a, **period) == {second}

    async def test_pages_contain_each_event_once_up_to_the_limit(
        self, shared_gateway: Gateway
    ) -> None:
        sent = [event("ObjectEvent", 1, number, epcList=[item("page")]) for number in range(7)]
        await capture(shared_gateway, *sent)
        address = f"{EPCIS}/events?MATCH_epc={item('page')}&perPage=2&orderBy=eventTime"
        address += "&orderDirection=ASC&eventCountLimit=5"
        times: list[str] = []
        sizes: list[int] = []
        while address:
            answer = await shared_gateway.http.get(address)
            found = answer.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
            sizes.append(len(found))
            times += [one["eventTime"] for one in found]
            link = answer.headers.get("link", "")
            address = link.partition(">")[0].lstrip("<")
        assert sizes == [2, 2, 1]
        assert times == [one["eventTime"] for one in sent[:5]]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("MATCH_everything", "x"),
            ("GE_eventTime", "yesterday"),
            ("eventType", "ThingEvent"),
            ("perPage", "0"),
            ("perPage", "a"),
            ("nextPageToken", "xyz"),
            ("orderBy", "colour"),
            ("EXISTS_errorDeclaration", "maybe"),
            ("MATCH_epc", "|".join(["x"] * 201)),
        ],
    )
    async def test_invalid_parameter_is_named(
        self, shared_gateway: Gateway, name: str, value: str
    ) -> None:
        answer = await shared_gateway.http.get(f"{EPCIS}/events", params={name: value})
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "epcis_query_invalid"
        assert answer.json()["error"]["param"] == name

    @pytest.mark.parametrize(
        "path", ["events/urn:x:1", "capture/capture_0", "capture/x", f"capture/capture_{'0' * 32}"]
    )
    async def test_unknown_event_or_job_is_not_found(
        self, shared_gateway: Gateway, path: str
    ) -> None:
        assert (await shared_gateway.http.get(f"{EPCIS}/{path}")).status_code == 404


class TestTrace:
    async def test_trace_excludes_wrong_events_and_names_calls(
        self, shared_gateway: Gateway
    ) -> None:
        bar, part, pump, ghost = (item(f"t-{name}") for name in ("bar", "part", "pump", "ghost"))
        wrong = {**made(ghost, into=part), "eventID": item("wrong")}
        declared = {**wrong, "errorDeclaration": {"declarationTime": "2026-11-02T00:00:00Z"}}
        inspected = event(
            "ObjectEvent",
            3,
            epcList=[part],
            bizStep="inspecting",
            **{"maas:requestId": "req_9"},
        )
        await capture(
            shared_gateway,
            made(bar, into=part),
            wrong,
            declared,
            event("AssociationEvent", 4, parentID=pump, childEPCs=[part], action="ADD"),
            inspected,
        )
        answer = await shared_gateway.http.get("/v1/plant/trace", params={"item": pump})
        found = answer.json()
        assert [one["item"] for one in found["items"]] == [pump, part, bar]
        assert [one["kind"] for one in found["links"]] == ["assembly", "transformation"]
        assert [one["request_id"] for one in found["inspections"]] == ["req_9"]
        down = {"item": bar, "direction": "downstream"}
        answer = await shared_gateway.http.get("/v1/plant/trace", params=down)
        assert [one["item"] for one in answer.json()["items"]] == [bar, part, pump]
        declared_only = {"MATCH_anyEPC": ghost, "EXISTS_errorDeclaration": "true"}
        assert len(await query(shared_gateway, **declared_only)) == 1
        for parameters in ({}, {"item": ""}, {"item": "x", "direction": "sideways"}):
            answer = await shared_gateway.http.get("/v1/plant/trace", params=parameters)
            assert answer.status_code == 400


class TestTenants:
    async def test_another_account_sees_and_traces_nothing(self, shared_gateway: Gateway) -> None:
        mine = made(item("own-in"), into=item("own-out"))
        mine["eventID"] = item("own-event")
        job = await capture(shared_gateway, mine)
        parts = shared_gateway.parts
        _, key = await customer(parts.database, parts.settings, "Stranger")
        headers = {"authorization": f"Bearer {key.secret}"}
        place = {"base_url": shared_gateway.url, "headers": headers, "verify": NO_TLS}
        async with httpx.AsyncClient(**place) as stranger:  # type: ignore[arg-type]
            for path in (
                f"events/{quote(item('own-event'), safe='')}",
                f"capture/{job['captureID']}",
            ):
                assert (await stranger.get(f"{EPCIS}/{path}")).status_code == 404
            matched = await stranger.get(f"{EPCIS}/events", params={"MATCH_anyEPC": item("own-in")})
            body = matched.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
            assert body == []
            traced = await stranger.get("/v1/plant/trace", params={"item": item("own-out")})
            assert [one["item"] for one in traced.json()["items"]] == [item("own-out")]
            same = await stranger.post(
                f"{EPCIS}/events", json={**mine, "inputEPCList": [item("z")]}
            )
            assert same.status_code == 201


@pytest.mark.skipif(EXAMPLES is None, reason="GS1's examples are not here")
class TestGs1Examples:
    async def test_examples_are_accepted_and_returned_unchanged(
        self, shared_gateway: Gateway
    ) -> None:
        validator = jsonschema.Draft7Validator(schema())
        for name, sent in examples():
            answer = await shared_gateway.http.post(f"{EPCIS}/capture", json=sent)
            assert answer.json()["success"], (name, answer.text)
            for original in sent["epcisBody"]["eventList"]:
                address = f"{EPCIS}/events/{quote(original['eventID'], safe='')}"
                found = (await shared_gateway.http.get(address)).json()
                assert list(validator.iter_errors(found)) == [], name
                events = found["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
                bodies = [{k: v for k, v in one.items() if k != "recordTime"} for one in events]
                assert original in bodies, name
                for entry in sent["@context"]:
                    assert entry in found["@context"]
