"""Validation of EPCIS events: what each type needs, limits, and ids by hash."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.plant.epcis.capture import document_events, parse_events
from gateway.plant.epcis.errors import EventInvalid
from gateway.plant.epcis.events import Role
from gateway.plant.epcis.gs1_keys import digital_link, item_uri
from gateway.plant.epcis.hashing import canonical_text, event_hash_id
from gateway.plant.epcis.validation import parse_event
from tests.support.plant.epcis import document, event, item, made

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
A, B = item("a"), item("b")
QUANTITY = {"epcClass": "urn:epc:class:lgtin:4012345.012345.998877", "quantity": 2.5, "uom": "KGM"}


class TestParseEvent:
    def test_times_are_utc_and_terms_short(self) -> None:
        raw = event("ObjectEvent", epcList=[A], bizStep="https://ref.gs1.org/cbv/BizStep-shipping")
        raw["eventTime"] = "2026-11-01T08:00:00.123456789+08:00"
        found = parse_event(raw, (), NOW)
        assert found.time == datetime(2026, 11, 1, 0, 0, 0, 123456, tzinfo=UTC)
        assert found.biz_step == "shipping"
        assert found.body["bizStep"] == raw["bizStep"]

    def test_items_have_their_roles(self) -> None:
        raw = made(A, into=B) | {"inputQuantityList": [QUANTITY]}
        found = parse_event(raw, (), NOW)
        roles = [(one.role, one.is_class, one.quantity) for one in found.items]
        assert roles == [
            (Role.INPUT, False, None),
            (Role.OUTPUT, False, None),
            (Role.INPUT, True, 2.5),
        ]

    def test_request_id_of_a_call_is_read_under_any_prefix(self) -> None:
        raw = event("ObjectEvent", epcList=[A], **{"m:requestId": "req_1"})
        assert parse_event(raw, [{"m": "urn:maas:epcis:"}], NOW).request_id == "req_1"
        assert parse_event(raw, [{"m": "urn:other:"}], NOW).request_id == ""

    @pytest.mark.parametrize(
        ("raw", "param"),
        [
            ("text", "eventList"),
            ({"type": "ThingEvent"}, "type"),
            (event("ObjectEvent"), "epcList"),
            (event("ObjectEvent", epcList=["no uri"]), "epcList"),
            (event("ObjectEvent", epcList=A), "epcList"),
            (event("ObjectEvent", epcList=[A], action="PAINT"), "action"),
            (event("ObjectEvent", epcList=[A], colour="red"), "ObjectEvent"),
            (event("ObjectEvent", epcList=[A], parentID=B), "ObjectEvent"),
            (event("ObjectEvent", epcList=[A], eventTime="yesterday"), "eventTime"),
            (event("ObjectEvent", epcList=[A], eventTime="2026-13-01T00:00:00Z"), "eventTime"),
            (event("ObjectEvent", epcList=[A], eventTime="2027-11-01T00:00:00Z"), "eventTime"),
            (event("ObjectEvent", epcList=[A], eventTimeZoneOffset="8"), "eventTimeZoneOffset"),
            (event("ObjectEvent", epcList=[A], eventID="x"), "eventID"),
            (event("ObjectEvent", epcList=[A], bizStep="ship it"), "bizStep"),
            (event("ObjectEvent", epcList=[A], readPoint="x"), "readPoint"),
            (event("ObjectEvent", epcList=[A], readPoint={"id": "x"}), "readPoint"),
            (event("ObjectEvent", epcList=[A] * 10_001), "epcList"),
            (event("ObjectEvent", quantityList=[QUANTITY | {"quantity": -1}]), "quantity"),
            (event("ObjectEvent", quantityList=[QUANTITY | {"quantity": True}]), "quantity"),
            (event("ObjectEvent", quantityList=[QUANTITY | {"uom": "kilo"}]), "uom"),
            (event("ObjectEvent", quantityList=[{}]), "quantityList"),
            (event("AggregationEvent", parentID=A), "childEPCs"),
            (event("AggregationEvent", childEPCs=[A], action="ADD"), "parentID"),
            (event("AssociationEvent", childEPCs=[A]), "parentID"),
            (event("TransactionEvent", epcList=[A]), "bizTransactionList"),
            (event("TransformationEvent", inputEPCList=[A]), "inputEPCList"),
            (event("ObjectEvent", epcList=[A], errorDeclaration={}, eventID=B), "errorDeclaration"),
            (
                event("ObjectEvent", epcList=[A], errorDeclaration={"declarationTime": "x"}),
                "eventID",
            ),
            (event("ObjectEvent", epcList=[A], persistentDisposition={}), "persistentDisposition"),
            (event("ObjectEvent", epcList=[A], sensorElementList=[{}]), "sensorElementList"),
            (event("ObjectEvent", epcList=[A], ilmd=[]), "ilmd"),
        ],
    )
    def test_invalid_event_is_rejected_with_its_field(self, raw: Any, param: str) -> None:
        with pytest.raises(EventInvalid) as caught:
            parse_event(raw, (), NOW)
        assert caught.value.param == param

    def test_deep_nesting_is_rejected(self) -> None:
        deep: Any = 1
        for _ in range(100):
            deep = {"x:y": deep}
        with pytest.raises(EventInvalid, match="nested"):
            parse_event(event("ObjectEvent", epcList=[A], **{"x:deep": deep}), (), NOW)


class TestDocument:
    @pytest.mark.parametrize(
        "raw",
        [
            [],
            {},
            document(A, type="EPCISQueryDocument"),
            document(A, schemaVersion="1.2"),
            document(),
            document(A, epcisBody=[]),
            document(*[A] * 10_001),
            document(A, **{"@context": 1}),
        ],
    )
    def test_other_documents_are_rejected(self, raw: Any) -> None:
        with pytest.raises(EventInvalid):
            document_events(raw)

    def test_errors_name_the_position_of_the_event(self) -> None:
        events, errors = parse_events([made(A, into=B), {"type": "x"}], (), NOW)
        assert len(events) == 1
        assert [(one["event"], one["param"]) for one in errors] == [(1, "type")]


class TestDigitalLinks:
    @pytest.mark.parametrize(
        ("epc", "link"),
        [
            ("urn:epc:id:sgtin:0614141.107346.2017", "01/10614141073464/21/2017"),
            ("urn:epc:class:lgtin:4012345.012345.998877", "01/04012345123456/10/998877"),
            ("urn:epc:idpat:sgtin:4012345.098765.*", "01/04012345987652"),
            ("urn:epc:id:sscc:0614141.1234567890", "00/106141412345678908"),
            ("urn:epc:id:sgln:0614141.07346.1234", "414/0614141073467/254/1234"),
            ("urn:epc:id:sgln:0614141.00777.0", "414/0614141007776"),
            ("urn:epc:id:grai:4012345.55555.987", "8003/04012345555554987"),
            ("urn:epc:id:giai:4000001.12345", "8004/400000112345"),
        ],
    )
    def test_epc_urns_become_digital_links(self, epc: str, link: str) -> None:
        assert digital_link(epc) == f"https://id.gs1.org/{link}"

    @pytest.mark.parametrize(
        "epc", ["https://x.example/1", "urn:epc:id:upui:1.2.3", "urn:epc:id:sgtin:a.b.c", A]
    )
    def test_other_uris_are_unchanged(self, epc: str) -> None:
        assert digital_link(epc) == epc


def test_codes_without_scheme_are_items_with_the_scheme_of_handles() -> None:
    assert item_uri("88.100.5001/PUMP-1") == "hdl:88.100.5001/PUMP-1"
    assert item_uri("hdl:88.100.5001/PUMP-1") == "hdl:88.100.5001/PUMP-1"
    assert item_uri("https://x.example/1") == "https://x.example/1"


class TestHash:
    def test_hash_is_that_of_the_standards_published_examples(self) -> None:
        """Ids of two events that other implementations of CBV 2.0 publish."""
        unpacking = {
            "type": "AggregationEvent",
            "eventTime": "2020-06-08T20:11:16+02:00",
            "eventTimeZoneOffset": "+02:00",
            "parentID": "https://id.gs1.org/01/19520010123455/21/22222223333",
            "childEPCs": ["urn:epc:id:sgtin:9520001.012346.10000001001"],
            "action": "DELETE",
            "bizStep": "unpacking",
            "disposition": "in_progress",
            "persistentDisposition": {
                "unset": ["completeness_inferred"],
                "set": ["completeness_verified"],
            },
            "readPoint": {"id": "urn:epc:id:sgln:9529999.99999.0"},
            "bizLocation": {"id": "urn:epc:id:sgln:9529999.99999.0"},
        }
        digits = "2615bc5627c3b3611e3df868aca2312882370ee78af44bcc20433ec028ebfc99"
        assert event_hash_id(unpacking, ()) == f"ni:///sha-256;{digits}?ver=CBV2.0"

    def test_order_offset_and_excluded_fields_do_not_matter(self) -> None:
        first = event("ObjectEvent", epcList=[B, A], **{"x:note": "n"})
        second = {
            "x:note": "n",
            **first,
            "epcList": [A, B],
            "eventTime": "2026-11-01T16:00:00+08:00",
            "recordTime": "2026-11-02T00:00:00Z",
        }
        assert event_hash_id(first, ()) == event_hash_id(second, ())
        assert event_hash_id(first, ()) != event_hash_id({**first, "x:note": "m"}, ())

    def test_extensions_are_named_by_their_namespace(self) -> None:
        one = event("ObjectEvent", epcList=[A], **{"e:f": [{"e:g": 1.50}, True]})
        other = event("ObjectEvent", epcList=[A], **{"z:f": [{"z:g": 1.5}, True]})
        text = canonical_text(one, [{"e": "http://e/"}])
        assert text == canonical_text(other, [{"z": "http://e/"}])
        assert "{http://e/}f{http://e/}g=1.5" in text
