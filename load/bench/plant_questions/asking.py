"""Ask questions of a generated plant in this process, without a database or worker process."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

import pyoxigraph

from gateway.plant.assets.values import EntityKind, Node, NodeKind, PlantModel
from gateway.plant.graph.execution import execute_query, load_graph
from gateway.plant.graph.messages import ResultFormat
from gateway.plant.graph.records import verdict_triples
from gateway.plant.graph.triples import Statement, class_iri_of, model_triples, statement_triples
from gateway.plant.graph.vocabulary import node_iri
from gateway.plant.questions.answering import Hierarchy, compose, read_hierarchy, read_rows
from gateway.plant.questions.asked_quantity import (
    AskedQuantity,
    NamedPoint,
    asked_quantity,
    fitting_points,
)
from gateway.plant.questions.newest_values import answer_missing
from gateway.plant.questions.parsing import understand
from gateway.plant.questions.sparql import build_plan, location_query
from gateway.plant.questions.values import (
    AnswerKind,
    AnswerStatus,
    AskedPoint,
    CitedTriple,
    MissingPoint,
    PlantAnswer,
    PlantQuery,
    Term,
)
from gateway.plant.questions.vocabulary import (
    NamedNode,
    Vocabulary,
    VocabularySource,
    build_vocabulary,
)
from gateway.plant.questions.wording import describe, not_understood, unknown_names
from load.bench.plant_questions.plant import BASE, GeneratedPlant, plant_model, relation_id

TODAY = date(2026, 11, 30)
_MAX_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Asker:
    """A generated plant with its graph and vocabulary."""

    store: pyoxigraph.Store
    vocabulary: Vocabulary
    points: Sequence[NamedPoint] = ()

    def ask(self, text: str) -> PlantAnswer:
        """Answer a question by the rules."""
        understood = understand(text, self.vocabulary, TODAY)
        asked = asked_quantity(text, self.vocabulary)
        is_property = understood.query and understood.query.kind is AnswerKind.PROPERTY
        if asked is not None and not is_property:
            return self._newest(asked, understood.language)
        if understood.query is None:
            said = (
                unknown_names(understood.unknown, understood.language)
                if understood.unknown
                else not_understood(understood.language)
            )
            status = (
                AnswerStatus.UNKNOWN_NAMES if understood.unknown else AnswerStatus.NOT_UNDERSTOOD
            )
            return PlantAnswer(status, understood.language, said, unknown=understood.unknown)
        return self.execute(understood.query, understood.language)

    def execute(self, query: PlantQuery, language: str) -> PlantAnswer:
        """Answer a typed query."""
        plan = build_plan(query)
        rows = read_rows(self._run(plan.text()), plan)
        assets = list(dict.fromkeys(one.value for row in rows if (one := row.term("?asset"))))
        hierarchy = Hierarchy()
        if query.within and assets:
            hierarchy = read_hierarchy(self._run(location_query(assets[:60])))
        known = PlantAnswer(
            AnswerStatus.ANSWERED,
            language,
            "",
            describe(query, self.vocabulary.label, language),
            "rules",
            sparql=plan.text(),
        )
        return compose(query, plan, rows, hierarchy, known)

    def _newest(self, asked: AskedQuantity, language: str) -> PlantAnswer:
        """Return the points whose newest values are asked for; there are no readings here."""
        codes = {one.code for one in asked.assets}
        points = [one for one in self.points if one.point.tag.rpartition(".")[0] in codes]
        fit = fitting_points(asked, points)
        if not fit.fitting:
            return answer_missing(MissingPoint(", ".join(codes), asked.text, fit.similar), language)
        tags = [one.tag for one in fit.fitting]
        terms = [Term(node_iri(Node(NodeKind.POINT, tag)), is_iri=True) for tag in tags]
        return PlantAnswer(
            AnswerStatus.ANSWERED,
            language,
            ", ".join(tags),
            results=tuple({"point": tag} for tag in tags),
            triples=tuple(
                CitedTriple(number, one, "a", one) for number, one in enumerate(terms, 1)
            ),
        )

    def _run(self, text: str) -> bytes:
        return execute_query(self.store, text, [ResultFormat.JSON], _MAX_BYTES).content


def open_plant(plant: GeneratedPlant) -> Asker:
    """Return the plant ready to be asked."""
    model = plant_model(plant)
    statements = [
        Statement(relation_id(number), one.subject, one.predicate, one.object, 1.0, "csv", BASE)
        for number, one in enumerate(model.relations)
    ]
    verdicts = chain.from_iterable(verdict_triples(one) for one in plant.verdicts)
    lines = [*model_triples(model), *statement_triples(statements), *verdicts]
    points = [
        NamedPoint(
            AskedPoint(relation_id(number), one.tag, one.name, one.unit, None),
            (one.concept.scheme, one.concept.id) if one.concept else ("", ""),
            0,
        )
        for number, one in enumerate(model.points)
    ]
    return Asker(load_graph("".join(lines).encode()), build_vocabulary(_source(model)), points)


def _source(model: PlantModel) -> VocabularySource:
    """Return what the vocabulary of a plant model is built from."""
    assets = [
        NamedNode(
            Node(NodeKind.ASSET, one.code),
            _names(one.name),
            one.level.value,
            tuple(class_iri_of(scheme, name) for scheme, name in one.types.items()),
            tuple(one.properties),
        )
        for one in model.assets
    ]
    recorded = (EntityKind.WORK_ORDER, EntityKind.FMEA_ITEM)
    entities = [
        NamedNode(
            Node(NodeKind(one.kind.value), one.code),
            () if one.kind in recorded else _names(one.name),
        )
        for one in model.entities
    ]
    concepts = {
        class_iri_of(one.concept.scheme, one.concept.id) for one in model.points if one.concept
    }
    components = dict.fromkeys(
        one.properties["component"].value
        for one in model.entities
        if one.kind is EntityKind.FMEA_ITEM
    )
    return VocabularySource([*assets, *entities], sorted(concepts), list(components))


def _names(name: str) -> tuple[str, ...]:
    """Return the names of both languages."""
    return tuple(dict.fromkeys([name, *name.split(" / ")]))
