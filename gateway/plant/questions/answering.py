"""Compose the answer to a question from the results of its query, with the triples it rests on."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from gateway.plant.graph.vocabulary import BRICK, PLANT, RDFS, parse_node_iri
from gateway.plant.questions.plan import MAX_ROWS, Plan
from gateway.plant.questions.values import (
    AnswerKind,
    AnswerStatus,
    CitedTriple,
    Order,
    PlantAnswer,
    PlantQuery,
    Term,
)
from gateway.plant.questions.wording import (
    counted,
    event_phrase,
    heading,
    more_line,
    not_found,
    rating_phrase,
    related_phrase,
    times_phrase,
)

MAX_LISTED = 20
MAX_TRIPLES = 120
_MAX_EVENTS = 3
_MAX_NAME = 120
_RATINGS = ("rpn", "severity", "occurrence", "detection")


@dataclass(frozen=True, slots=True)
class Row:
    """One result: the term of each variable that it has."""

    terms: Mapping[str, Term]

    def term(self, name: str) -> Term | None:
        """Return the term of a variable such as `?asset`, None if the row lacks it."""
        return self.terms.get(name)

    def text(self, name: str) -> str:
        """Return a variable for people: name and code of a node, or a literal; empty without."""
        term = self.terms.get(name)
        return "" if term is None else display(term)


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where assets are: the asset above each, by IRI."""

    parents: Mapping[str, tuple[Term, Term]] = field(default_factory=dict)

    def path(self, part: str, whole: str) -> Iterator[tuple[Term, Term]]:
        """Yield the steps from a part up to an asset that contains it; none if it does not."""
        steps: list[tuple[Term, Term]] = []
        while part != whole and part in self.parents and len(steps) < 64:
            steps.append(self.parents[part])
            part = self.parents[part][1].value
        if part == whole:
            yield from steps


@dataclass(slots=True)
class _Citations:
    """The triples that are cited, each once, with their numbers."""

    plan: Plan
    hierarchy: Hierarchy
    places: Sequence[str]
    numbers: dict[tuple[str, str, str], int] = field(default_factory=dict)
    triples: list[CitedTriple] = field(default_factory=list)

    def mark(self, row: Row) -> str:
        """Cite the triples of a row and return their numbers, as ` [1, 2]`."""
        numbers = [self._add(*one) for one in self._of(row)]
        shown = sorted({number for number in numbers if number})
        return f" [{', '.join(map(str, shown))}]" if shown else ""

    def _of(self, row: Row) -> Iterator[tuple[Term, str, Term]]:
        """Yield the triples of a row: matches of its patterns, and the steps of the hierarchy."""
        for pattern in self.plan.all_patterns:
            subject = _instance(pattern.subject, row)
            target = _instance(pattern.object, row)
            if subject is not None and target is not None:
                yield subject, short(pattern.predicate), target
        asset = row.term("?asset")
        for name in ("?place1", "?place2", "?owner", "?about"):
            place = row.term(name)
            if place is not None and asset is not None:
                for part, whole in self.hierarchy.path(place.value, asset.value):
                    yield part, "plant:partOf", whole
        if asset is not None:
            for area in self.places:
                for part, whole in self.hierarchy.path(asset.value, area):
                    yield part, "plant:partOf", whole

    def _add(self, subject: Term, predicate: str, target: Term) -> int:
        """Return the number of a triple, 0 beyond the most that are cited."""
        key = (subject.value, predicate, target.value)
        if key not in self.numbers:
            if len(self.triples) >= MAX_TRIPLES:
                return 0
            self.numbers[key] = len(self.triples) + 1
            self.triples.append(CitedTriple(self.numbers[key], subject, predicate, target))
        return self.numbers[key]


def read_rows(content: bytes, plan: Plan) -> list[Row]:
    """Return the rows of a result in SPARQL's JSON format."""
    bindings = msgspec.json.decode(content)["results"]["bindings"]
    return [_row(one, plan.variables) for one in bindings]


def read_hierarchy(content: bytes) -> Hierarchy:
    """Return the hierarchy of the result of `location_query`."""
    parents = {}
    for one in msgspec.json.decode(content)["results"]["bindings"]:
        row = _row(one, ["?part", "?whole"])
        part, whole = row.terms["?part"], row.terms["?whole"]
        parents[part.value] = (part, whole)
    return Hierarchy(parents)


def compose(
    query: PlantQuery, plan: Plan, rows: Sequence[Row], hierarchy: Hierarchy, answer: PlantAnswer
) -> PlantAnswer:
    """Return the answer with text, results and triples. `answer` has what is known already."""
    is_complete = len(rows) <= MAX_ROWS
    rows = rows[:MAX_ROWS]
    areas = list(dict.fromkeys(one.value for row in rows if (one := row.term("?area"))))
    groups = _groups(rows, plan.key)
    count = len(groups)
    if not rows and query.order is not Order.COUNT:
        text = not_found(answer.understood, answer.language)
        return replace(answer, status=AnswerStatus.NOT_FOUND, text=text)
    citations = _Citations(plan, hierarchy, areas)
    chosen = _choose(query, groups)
    lines = [_line(query, group, citations, answer.language) for group in chosen[:MAX_LISTED]]
    first = _first_line(query, count, len(chosen), answer.language, is_complete=is_complete)
    if len(chosen) > MAX_LISTED:
        lines.append(more_line(len(chosen) - MAX_LISTED, answer.language))
    return replace(
        answer,
        status=AnswerStatus.ANSWERED,
        text="\n".join([first, *(f"- {line}" for line in lines)]) if first else "\n".join(lines),
        results=tuple(_result(row) for group in chosen for row in group),
        triples=tuple(citations.triples),
        count=count,
        is_complete=is_complete,
    )


def display(term: Term) -> str:
    """Return a term for people: name and code of a node, the last part of a class, a literal."""
    if not term.is_iri:
        return _printable(term.value)
    node = parse_node_iri(term.value)
    code = term.value.rsplit(":", 1)[-1] if node is None else node.code
    if term.value.startswith(BRICK):
        code = term.value.removeprefix(BRICK).replace("_", " ")
    label = _printable(term.label)
    code = _printable(code)
    is_same = not label or label.casefold().replace(" ", "_") == code.casefold()
    if is_same or (
        node is not None and node.kind.value.startswith(("cause", "effect", "remedy", "failure"))
    ):
        return label or code
    return f"{label} ({code})"


def term_name(term: Term) -> str:
    """Return the name of a term: the label of a node, else the last part of its IRI."""
    return _printable(term.label) or display(term)


def short(predicate: str) -> str:
    """Return a predicate with its prefix."""
    if predicate.startswith(PLANT):
        return f"plant:{predicate.removeprefix(PLANT)}"
    return predicate.replace(RDFS, "rdfs:")


def _choose(query: PlantQuery, groups: list[list[Row]]) -> list[list[Row]]:
    """Return the groups of rows that the question's order asks for."""
    if not groups:
        return []
    if query.order is Order.MOST:
        if query.kind is AnswerKind.RISKS:
            return groups[:1]
        most = max(_times(group) for group in groups)
        return [group for group in groups if _times(group) == most]
    if query.order in (Order.LATEST, Order.FIRST):
        name = "?at" if query.kind is AnswerKind.VERDICTS else "?date1"
        dated = [row for group in groups for row in group if row.text(name)]
        if not dated:
            return groups
        pick = max if query.order is Order.LATEST else min
        return [[pick(dated, key=lambda row: row.text(name))]]
    return groups


def _times(group: Sequence[Row]) -> int:
    """Return how many different work orders a group has."""
    return len({term.value for row in group if (term := row.term("?event1"))})


def _first_line(
    query: PlantQuery, count: int, chosen: int, language: str, *, is_complete: bool
) -> str:
    """Return the first line: the number that is asked for, or how many results follow."""
    if query.order is Order.COUNT:
        return counted(query.kind, count, language, is_complete=is_complete)
    if query.order is not Order.ALL and chosen == 1:
        return ""
    if query.order is not Order.ALL:
        return heading(query.kind, chosen, language, is_complete=is_complete)
    return heading(query.kind, count, language, is_complete=is_complete)


def _line(query: PlantQuery, group: Sequence[Row], citations: _Citations, language: str) -> str:
    """Return one result with the numbers of its triples."""
    row = group[0]
    name = row.text(citations.plan.key)
    if query.kind is AnswerKind.ASSETS or (
        query.kind is AnswerKind.FAILURE_MODES and row.term("?event1")
    ):
        details = _events(query, group, citations, language)
        if query.order is Order.MOST:
            details = times_phrase(_times(group), language) + (f": {details}" if details else "")
        return f"{name}: {details}" if details else name + citations.mark(row)
    texts = list(dict.fromkeys(_detail(query, one, language) for one in group))
    shown = "; ".join(text for text in texts[:_MAX_EVENTS] if text)
    marks = "".join(citations.mark(one) for one in group[:_MAX_EVENTS])
    return (f"{name}: {shown}" if shown else name) + marks


def _events(query: PlantQuery, group: Sequence[Row], citations: _Citations, language: str) -> str:
    """Return the events of an asset, the first ones, with the numbers of their triples."""
    parts: dict[str, str] = {}
    for row in group:
        if row.term("?event1") is None or len(parts) >= _MAX_EVENTS:
            continue
        what = row.text("?what1")
        text = event_phrase(what, row.text("?date1"), row.text("?event1"), language)
        if query.relation is not None and row.term("?event2") is not None:
            other = event_phrase(
                row.text("?what2"), row.text("?date2"), row.text("?event2"), language
            )
            text = related_phrase(text, query.relation, other, language)
        if text not in parts:
            parts[text] = citations.mark(row)
    return "; ".join(f"{text}{mark}" for text, mark in parts.items())


def _detail(query: PlantQuery, row: Row, language: str) -> str:
    """Return what a row says beside its key."""
    match query.kind:
        case AnswerKind.WORK_ORDERS:
            what = row.text("?what1") or " / ".join(
                part for part in (row.text("?found1"), row.text("?done1")) if part
            )
            text = ", ".join(
                part for part in (row.text("?date1"), row.text("?place1"), what) if part
            )
            if query.relation is not None and row.term("?event2") is not None:
                other = event_phrase(
                    row.text("?what2"), row.text("?date2"), row.text("?event2"), language
                )
                return related_phrase(text, query.relation, other, language)
            return text
        case AnswerKind.RISKS | AnswerKind.FAILURE_MODES:
            ratings = [
                rating_phrase(name, row.text(f"?{name}"), language)
                for name in _RATINGS
                if row.text(f"?{name}")
            ]
            others = [row.text(f"?{name}") for name in ("mode", "cause", "component")]
            shown = others if query.kind is AnswerKind.RISKS else others[2:]
            return ", ".join(part for part in (*shown, *ratings) if part)
        case AnswerKind.VERDICTS:
            names: tuple[str, ...] = ("?asset", "?at", "?model", "?version", "?decided")
        case AnswerKind.PROPERTY:
            return " ".join(text for name in ("?value", "?unit") if (text := row.text(name)))
        case AnswerKind.POINTS:
            names = ("?owner", "?concept", "?unit")
        case AnswerKind.DOCUMENTS:
            names = ("?about", "?filename")
        case AnswerKind.CAUSES | AnswerKind.EFFECTS | AnswerKind.REMEDIES:
            names = ("?mode",) if len(query.subject) > 1 else ()
        case _:
            names = ()
    return ", ".join(text for name in names if (text := row.text(name)))


def _groups(rows: Iterable[Row], key: str) -> list[list[Row]]:
    """Return the rows by what is asked for, in the order of the results."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        term = row.term(key)
        if term is not None:
            groups[term.value].append(row)
    return list(groups.values())


def _row(binding: Mapping[str, Mapping[str, str]], variables: Iterable[str]) -> Row:
    """Return a row of a result."""
    terms = {}
    for name in variables:
        found = binding.get(name[1:])
        if found is not None:
            label = binding.get(f"{name[1:]}_label", {}).get("value", "")
            terms[name] = Term(found["value"], found["type"] == "uri", label)
    return Row(terms)


def _instance(term: str, row: Row) -> Term | None:
    """Return a term of a pattern in a row, None if the row lacks its variable."""
    return row.term(term) if term.startswith("?") else Term(term, is_iri=True)


def _result(row: Row) -> dict[str, str]:
    """Return a row by variables without `?`: codes of nodes, and their labels."""
    shown: dict[str, str] = {}
    for name, term in row.terms.items():
        node = parse_node_iri(term.value) if term.is_iri else None
        shown[name[1:]] = term.value if node is None else node.code
        if term.label:
            shown[f"{name[1:]}_label"] = term.label
    return shown


def _printable(text: str) -> str:
    """Return a text of the graph on one line, without control characters, and not too long."""
    plain = "".join(one if one.isprintable() else " " for one in text)
    return plain if len(plain) <= _MAX_NAME else f"{plain[:_MAX_NAME]}…"
