"""An answer about the plant as JSON."""

from typing import Any

from gateway.plant.questions.values import CitedTriple, PlantAnswer, Term


def answer_json(answer: PlantAnswer) -> dict[str, Any]:
    """Return an answer with its triples, results, and the query that was executed."""
    return {
        "object": "plant.answer",
        "status": answer.status.value,
        "language": answer.language,
        "answer": answer.text,
        "understood": answer.understood or None,
        "understood_by": answer.understood_by or None,
        "unknown_words": list(answer.unknown),
        "count": answer.count,
        "complete": answer.is_complete,
        "results": [dict(row) for row in answer.results],
        "triples": [_triple_json(one) for one in answer.triples],
        "sparql": answer.sparql or None,
        "revision": answer.revision,
    }


def _triple_json(triple: CitedTriple) -> dict[str, Any]:
    """Return a triple with its number in the answer."""
    return {
        "number": triple.number,
        "subject": _term_json(triple.subject),
        "predicate": triple.predicate,
        "object": _term_json(triple.object),
    }


def _term_json(term: Term) -> dict[str, Any]:
    """Return a term: `iri` with its label, or `value`."""
    if not term.is_iri:
        return {"value": term.value}
    return {"iri": term.value, "label": term.label or None}
