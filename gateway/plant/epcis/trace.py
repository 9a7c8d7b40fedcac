"""Trace items over events: what went into an item, what was made from it, and what inspected it.

Pure: a list of events in, a graph out. Events of one transformation are joined by their
`transformationID`. Components come from AssociationEvents, and from AggregationEvents with the
business step `assembling`; other aggregations are containers and are reported with their period.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain, islice

from gateway.plant.epcis.events import Event, EventType, ItemReference, Role

MAX_ITEMS = 20_000
MAX_LINKS = 200_000


class Direction(StrEnum):
    """Which way a trace goes."""

    UPSTREAM = "upstream"  # what went into the item
    DOWNSTREAM = "downstream"  # what was made from it


class LinkKind(StrEnum):
    """How one item became part of another."""

    TRANSFORMATION = "transformation"
    ASSEMBLY = "assembly"


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """What a trace needs of an event."""

    id: str
    type: EventType
    time: datetime
    action: str
    items: tuple[ItemReference, ...]
    biz_step: str = ""
    disposition: str = ""
    group: str = ""  # transformationID
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """`source` went into `target`. `until` is when a component was removed again."""

    source: str
    target: str
    kind: LinkKind
    event_id: str
    time: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TracedItem:
    """An item of the trace and its distance from the start."""

    epc: str
    depth: int


@dataclass(frozen=True, slots=True)
class Containment:
    """An item was in a container from `since` until `until`, or still is."""

    item: str
    container: str
    since: datetime
    until: datetime | None
    event_id: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """An event that observed an item, with the model call that judged it, if it names one."""

    item: str
    event_id: str
    time: datetime
    biz_step: str
    disposition: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The result. `is_complete` is false beyond `MAX_ITEMS` or `MAX_LINKS`."""

    start: str
    direction: Direction
    items: tuple[TracedItem, ...]
    links: tuple[Link, ...]
    containments: tuple[Containment, ...]
    inspections: tuple[Inspection, ...]
    is_complete: bool = True


def trace_event(event: Event) -> TraceEvent:
    """Return what a trace needs of an event."""
    return TraceEvent(
        event.id,
        event.type,
        event.time,
        event.action,
        event.items,
        event.biz_step,
        event.disposition,
        event.transformation_id,
        event.request_id,
    )


def trace(start: str, direction: Direction, events: Sequence[TraceEvent]) -> Trace:
    """Follow the links of the events from an item. Events may be in any order, without wrong ones.

    Cycles, as of a reusable container's contents, end at items that were reached before.
    """
    ordered = sorted(events, key=lambda event: (event.time, event.id))
    all_links = chain(_component_links(ordered), _transformation_links(ordered))
    links = list(islice(all_links, MAX_LINKS + 1))
    reached, followed, is_complete = _follow(start, direction, links[:MAX_LINKS])
    containments = [one for one in _containments(ordered) if one.item in reached]
    inspections = [one for one in _inspections(ordered) if one.item in reached]
    items = (TracedItem(epc, depth) for epc, depth in reached.items())
    return Trace(
        start,
        direction,
        tuple(items),
        tuple(followed),
        tuple(containments),
        tuple(inspections),
        is_complete and len(links) <= MAX_LINKS,
    )


def _follow(
    start: str, direction: Direction, links: Iterable[Link]
) -> tuple[Mapping[str, int], Sequence[Link], bool]:
    """Return the reached items with their depth, and the links between them, breadth first."""
    by_end: dict[str, list[Link]] = defaultdict(list)
    upstream = direction is Direction.UPSTREAM
    for link in links:
        by_end[link.target if upstream else link.source].append(link)
    reached, queue = {start: 0}, deque([start])
    followed: list[Link] = []
    while queue:
        item = queue.popleft()
        for link in by_end.get(item, ()):
            other = link.source if upstream else link.target
            if other not in reached:
                if len(reached) >= MAX_ITEMS:
                    return reached, followed, False
                reached[other] = reached[item] + 1
                queue.append(other)
            followed.append(link)
    return reached, followed, True


def _transformation_links(events: Iterable[TraceEvent]) -> Iterable[Link]:
    """Yield a link from each input to each output of a transformation."""
    groups: dict[str, list[TraceEvent]] = defaultdict(list)
    for event in events:
        if event.type is EventType.TRANSFORMATION:
            groups[event.group or event.id].append(event)
    for group in groups.values():
        inputs = _epcs(group, Role.INPUT)
        for target, made in _epcs(group, Role.OUTPUT).items():
            for source in inputs:
                yield Link(source, target, LinkKind.TRANSFORMATION, made.id, made.time)


def _epcs(events: Iterable[TraceEvent], role: Role) -> Mapping[str, TraceEvent]:
    """Return the items of a role with the first event that names them."""
    found: dict[str, TraceEvent] = {}
    for event in events:
        for item in event.items:
            if item.role is role:
                found.setdefault(item.epc, event)
    return found


def _component_links(events: Iterable[TraceEvent]) -> Iterable[Link]:
    """Yield a link from each component to its assembly."""
    for period in _periods(events, is_component_event):
        yield Link(
            period.item,
            period.container,
            LinkKind.ASSEMBLY,
            period.event_id,
            period.since,
            period.until,
        )


def _containments(events: Iterable[TraceEvent]) -> Iterable[Containment]:
    """Return the periods of items in containers."""
    return _periods(events, lambda event: not is_component_event(event))


def is_component_event(event: TraceEvent) -> bool:
    """Return whether an event with parent and children makes the children parts of the parent."""
    return event.type is EventType.ASSOCIATION or event.biz_step in ("assembling", "disassembling")


def _periods(
    events: Iterable[TraceEvent], belongs: Callable[[TraceEvent], bool]
) -> Sequence[Containment]:
    """Return the periods of children in parents: from ADD, or a first OBSERVE, to DELETE.

    A DELETE without children removes all of them.
    """
    opened: dict[tuple[str, str], tuple[datetime, str]] = {}
    children: dict[str, set[str]] = defaultdict(set)
    closed: list[Containment] = []
    for event in events:
        parent = _parent(event)
        if not parent or not belongs(event):
            continue
        named = [item.epc for item in event.items if item.role is Role.CHILD]
        if event.action != "DELETE":
            for child in named:
                opened.setdefault((child, parent), (event.time, event.id))
                children[parent].add(child)
            continue
        for child in named or sorted(children[parent]):
            children[parent].discard(child)
            since = opened.pop((child, parent), None)
            if since is not None:
                closed.append(Containment(child, parent, since[0], event.time, since[1]))
    still = (
        Containment(child, parent, since, None, event_id)
        for (child, parent), (since, event_id) in opened.items()
    )
    return [*closed, *still]


def _parent(event: TraceEvent) -> str:
    """Return the parent of an aggregation or association, empty for other events."""
    if event.type not in (EventType.AGGREGATION, EventType.ASSOCIATION):
        return ""
    return next((item.epc for item in event.items if item.role is Role.PARENT), "")


def _inspections(events: Iterable[TraceEvent]) -> Iterable[Inspection]:
    """Yield the inspections of items: the business step `inspecting`, or a model call."""
    for event in events:
        if event.biz_step != "inspecting" and not event.request_id:
            continue
        for item in event.items:
            yield Inspection(
                item.epc,
                event.id,
                event.time,
                event.biz_step,
                event.disposition,
                event.request_id,
            )
