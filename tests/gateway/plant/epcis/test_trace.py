"""Traces over events: upstream, downstream, components, containers, inspections, errors."""

import time
from datetime import UTC, datetime
from typing import Any

from gateway.plant.epcis.trace import Direction, LinkKind, TraceEvent, trace, trace_event
from gateway.plant.epcis.validation import parse_event
from tests.support.plant.epcis import event, item, made

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
UP, DOWN = Direction.UPSTREAM, Direction.DOWNSTREAM


def events(*raw: dict[str, Any]) -> list[TraceEvent]:
    return [trace_event(parse_event(one, [{"maas": "urn:maas:epcis:"}], NOW)) for one in raw]


def names(found: Any) -> list[str]:
    return [one.epc.removeprefix("urn:maas:test:") for one in found.items]


class TestTrace:
    def test_inputs_and_outputs_are_followed_over_several_steps(self) -> None:
        steps = events(
            made(item("part"), item("oil"), into=item("pump"), day=3),
            made(item("bar"), item("coolant"), into=item("part"), day=2),
            made(item("ore"), into=item("bar")),
            made(item("other"), into=item("thing")),
        )
        up = trace(item("pump"), UP, steps)
        assert names(up) == ["pump", "part", "oil", "bar", "coolant", "ore"]
        assert [one.depth for one in up.items] == [0, 1, 1, 2, 2, 3]
        assert names(trace(item("ore"), DOWN, steps)) == ["ore", "bar", "part", "pump"]
        assert names(trace(item("none"), UP, steps)) == ["none"]

    def test_events_of_one_transformation_are_joined_by_its_id(self) -> None:
        one = {"transformationID": "urn:maas:test:job-7"}
        steps = events(
            event("TransformationEvent", 1, inputEPCList=[item("a")], **one),
            event("TransformationEvent", 2, inputEPCList=[item("b")], **one),
            event("TransformationEvent", 3, outputEPCList=[item("c")], **one),
        )
        assert names(trace(item("c"), UP, steps)) == ["c", "a", "b"]

    def test_component_is_part_until_it_is_removed(self) -> None:
        steps = events(
            event(
                "AssociationEvent", 1, parentID=item("pump"), childEPCs=[item("seal")], action="ADD"
            ),
            event("AssociationEvent", 5, parentID=item("pump"), childEPCs=[], action="DELETE"),
            event(
                "AssociationEvent", 6, parentID=item("pump"), childEPCs=[item("new")], action="ADD"
            ),
        )
        found = trace(item("pump"), UP, steps)
        assert [(one.source[-4:], one.kind) for one in found.links] == [
            ("seal", LinkKind.ASSEMBLY),
            (":new", LinkKind.ASSEMBLY),
        ]
        assert [one.until and one.until.day for one in found.links] == [5, None]

    def test_container_is_reported_with_its_period_but_is_no_input(self) -> None:
        steps = events(
            event("AggregationEvent", 2, parentID=item("box"), childEPCs=[item("a")], action="ADD"),
            event(
                "AggregationEvent", 4, parentID=item("box"), childEPCs=[item("a")], action="DELETE"
            ),
            event("AggregationEvent", 6, parentID=item("rack"), childEPCs=[item("a")]),
        )
        found = trace(item("a"), DOWN, steps)
        assert names(found) == ["a"]
        periods = [(one.since.day, one.until and one.until.day) for one in found.containments]
        assert periods == [(2, 4), (6, None)]

    def test_inspection_names_the_model_call(self) -> None:
        steps = events(
            made(item("bar"), into=item("part")),
            event(
                "ObjectEvent",
                2,
                epcList=[item("part")],
                bizStep="inspecting",
                disposition="non_sellable_other",
                **{"maas:requestId": "req_7"},
            ),
            event("ObjectEvent", 3, epcList=[item("part")], bizStep="shipping"),
        )
        found = trace(item("part"), UP, steps)
        assert [(one.request_id, one.disposition) for one in found.inspections] == [
            ("req_7", "non_sellable_other")
        ]

    def test_cycle_ends(self) -> None:
        steps = events(
            made(item("a"), into=item("b")),
            made(item("b"), into=item("a"), day=2),
        )
        assert names(trace(item("a"), UP, steps)) == ["a", "b"]

    def test_ten_thousand_events_take_less_than_half_a_second(self) -> None:
        chain = [
            TraceEvent(
                f"e{number}",
                steps.type,
                steps.time,
                "",
                (
                    type(steps.items[0])(steps.items[0].role, f"i{number}"),
                    type(steps.items[1])(steps.items[1].role, f"i{number + 1}"),
                ),
            )
            for number in range(10_000)
            for steps in [_STEP]
        ]
        started = time.process_time()
        found = trace("i10000", UP, chain)
        assert time.process_time() - started < 0.5
        assert len(found.items) == 10_001


_STEP = trace_event(parse_event(made(item("x"), into=item("y")), (), NOW))


def test_product_of_many_inputs_and_outputs_is_bounded() -> None:
    inputs, outputs = ([item(f"{name}{number}") for number in range(1_000)] for name in "io")
    many = event("TransformationEvent", inputEPCList=inputs, outputEPCList=outputs)
    found = trace(item("o0"), UP, events(many))
    assert not found.is_complete
    assert len(found.links) <= 200_000
