"""The typed query that a question is understood as, and the answer to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from gateway.plant.assets.values import Node


class AnswerKind(StrEnum):
    """What a question asks for."""

    ASSETS = "assets"
    WORK_ORDERS = "work_orders"
    FAILURE_MODES = "failure_modes"
    CAUSES = "causes"
    EFFECTS = "effects"
    REMEDIES = "remedies"
    RISKS = "risks"
    DOCUMENTS = "documents"
    POINTS = "points"
    VERDICTS = "verdicts"
    PROPERTY = "property"
    LOCATION = "location"
    PARTS = "parts"


class Order(StrEnum):
    """Which of the results are wanted: all, their number, or one of them."""

    ALL = "all"
    COUNT = "count"
    MOST = "most"
    LATEST = "latest"
    FIRST = "first"


class TimeRelation(StrEnum):
    """How an event lies to another one on the same asset."""

    AFTER = "after"
    BEFORE = "before"


@dataclass(frozen=True, slots=True)
class EventTerm:
    """What a work order found (failure modes) or did (remedies); any of the nodes counts."""

    nodes: tuple[Node, ...]
    text: str


@dataclass(frozen=True, slots=True)
class AssetClass:
    """Assets of a type: by class ids in the graph or, without a type, by words of their names.

    `patterns` has the words of each part of the name, as alternatives.
    """

    text: str
    iris: tuple[str, ...] = ()
    patterns: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Period:
    """A period of time in ISO 8601 days: from `start`, before `end`; empty is unbounded."""

    start: str = ""
    end: str = ""


NO_PERIOD = Period()


@dataclass(frozen=True, slots=True)
class RatingBound:
    """A bound of a rating of an FMEA item, such as an RPN above 100."""

    rating: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class PlantQuery:
    """A question as a query. Nodes of one field are alternatives."""

    kind: AnswerKind
    order: Order = Order.ALL
    asset: tuple[Node, ...] = ()
    within: tuple[Node, ...] = ()
    asset_class: AssetClass | None = None
    components: tuple[str, ...] = ()
    event: EventTerm | None = None
    negated: bool = False
    relation: TimeRelation | None = None
    reference: EventTerm | None = None
    subject: tuple[Node, ...] = ()
    subject_text: str = ""
    concept: AssetClass | None = None
    properties: tuple[str, ...] = ()
    property_text: str = ""
    rating: RatingBound | None = None
    observed: bool = False
    period: Period = NO_PERIOD


@dataclass(frozen=True, slots=True)
class AskedPoint:
    """A point whose newest value is asked for; `asset_id` is that of its asset."""

    id: UUID
    tag: str
    name: str
    unit: str
    asset_id: UUID | None


@dataclass(frozen=True, slots=True)
class MissingPoint:
    """A quantity that no point of an asset measures, and the points of a similar one.

    Without an asset, `text` is a tag that the plant does not have.
    """

    asset: str
    text: str
    similar: tuple[AskedPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Understanding:
    """A question as far as it was understood: its query, or the words that nothing matches.

    `points` are those whose newest value is asked for, instead of a query; `text` is the quantity
    if several points fit it, and `missing` is set if none does.
    """

    query: PlantQuery | None
    unknown: tuple[str, ...] = ()
    language: str = "en"
    # Whether the question names something of the account's own plant model.
    names_own: bool = False
    points: tuple[AskedPoint, ...] = ()
    text: str = ""
    missing: MissingPoint | None = None

    @property
    def is_understood(self) -> bool:
        """Whether it can be answered, or what it asks for is known to be missing."""
        return self.query is not None or self.asks_value

    @property
    def asks_value(self) -> bool:
        """Whether it asks for the newest values of points, which the plant may lack."""
        return bool(self.points) or self.missing is not None


class AnswerStatus(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    NOT_FOUND = "not_found"
    UNKNOWN_NAMES = "unknown_names"
    NOT_UNDERSTOOD = "not_understood"


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a triple: an IRI with the label of its node, or a literal."""

    value: str
    is_iri: bool
    label: str = ""


@dataclass(frozen=True, slots=True)
class CitedTriple:
    """A triple that an answer rests on, with its number in the answer."""

    number: int
    subject: Term
    predicate: str
    object: Term


@dataclass(frozen=True, slots=True)
class PlantAnswer:
    """The answer to a question: text, triples, the results, what was understood, the query."""

    status: AnswerStatus
    language: str
    text: str
    understood: str = ""
    understood_by: str = ""
    results: tuple[Mapping[str, str], ...] = ()
    triples: tuple[CitedTriple, ...] = ()
    unknown: tuple[str, ...] = ()
    sparql: str = ""
    count: int | None = None
    revision: int = 0
    is_complete: bool = True
