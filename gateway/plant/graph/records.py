"""Triples of what is recorded outside the plant model: verdicts, decisions, linked documents.

Each has a node of its own: `verdict:…`, `decision:…`, `document:…`. Texts of models and file names
are literals, never IRIs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.plant.assets.values import Node, NodeKind
from gateway.plant.graph.triples import literal, moment_literal, text_literal, triple
from gateway.plant.graph.vocabulary import NODE, PLANT, RDF, RDFS, node_iri, predicate_iri

# Values of a prediction that become triples; others are in the verdict itself.
_MAX_OUTPUTS = 40
_MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """A specialist's verdict on an asset. `id` and `request_id` are public ids."""

    id: str
    asset: str
    request_id: str
    model: str
    at: datetime
    prediction: Mapping[str, Any]
    version: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionNote:
    """A signed decision record whose subject is an asset. Ids are public ids."""

    id: str
    asset: str
    request_id: str
    model: str
    verdict: str
    at: datetime
    version: str | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class LinkedDocument:
    """A file of a vector store, and the nodes that its attributes name. Ids are public ids."""

    file_id: str
    filename: str
    store_id: str
    about: tuple[Node, ...] = ()
    documents: tuple[str, ...] = field(default=())


def verdict_triples(record: VerdictRecord) -> Iterator[str]:
    """Yield the triples of a verdict; each number, text or flag of the prediction is one."""
    node = f"<{NODE}verdict:{record.id}>"
    yield from _call_triples(node, "Verdict", record)
    yield triple(node, f"{PLANT}at", moment_literal(record.at))
    outputs = [
        (name, value)
        for name, value in record.prediction.items()
        if isinstance(value, str | int | float | bool)
    ]
    for name, value in outputs[:_MAX_OUTPUTS]:
        yield triple(node, predicate_iri(f"predicted_{name}"[:200]), _output(value))


def decision_triples(record: DecisionNote) -> Iterator[str]:
    """Yield the triples of a decision record."""
    node = f"<{NODE}decision:{record.id}>"
    yield from _call_triples(node, "DecisionRecord", record)
    yield triple(node, f"{PLANT}at", moment_literal(record.at))
    yield triple(node, f"{PLANT}verdict", text_literal(record.verdict))
    if record.probability is not None:
        yield triple(node, f"{PLANT}probability", literal(repr(record.probability)))


def document_triples(linked: LinkedDocument) -> Iterator[str]:
    """Yield the triples of a file.

    Its nodes are the documents of the plant model with this file, else one of the file's id.
    """
    codes = linked.documents or (linked.file_id,)
    for code in codes:
        node = f"<{node_iri(Node(NodeKind.DOCUMENT, code))}>"
        if not linked.documents:
            yield triple(node, f"{RDF}type", f"<{PLANT}Document>")
            yield triple(node, f"{PLANT}code", text_literal(code))
            yield triple(node, f"{RDFS}label", text_literal(linked.filename[:_MAX_TEXT]))
        yield triple(node, f"{PLANT}file", text_literal(linked.file_id))
        yield triple(node, f"{PLANT}filename", text_literal(linked.filename[:_MAX_TEXT]))
        yield triple(node, f"{PLANT}vectorStore", text_literal(linked.store_id))
        for about in linked.about:
            yield triple(node, f"{PLANT}about", f"<{node_iri(about)}>")


def _call_triples(node: str, kind: str, record: VerdictRecord | DecisionNote) -> Iterator[str]:
    """Yield what verdicts and decisions have in common: class, asset, request, model, version."""
    asset = f"<{node_iri(Node(NodeKind.ASSET, record.asset))}>"
    yield triple(node, f"{RDF}type", f"<{PLANT}{kind}>")
    yield triple(node, f"{RDFS}label", text_literal(record.id))
    yield triple(node, f"{PLANT}on", asset)
    yield triple(node, f"{PLANT}request", text_literal(record.request_id))
    yield triple(node, f"{PLANT}model", text_literal(record.model))
    if record.version is not None:
        yield triple(node, f"{PLANT}version", text_literal(record.version))


def _output(value: str | int | float | bool) -> str:
    """Return a predicted value as a literal."""
    if isinstance(value, bool):
        return text_literal("true" if value else "false")
    return literal(value[:_MAX_TEXT] if isinstance(value, str) else repr(value))
