"""The answer about decisions: a language model's text if it may be used, or a composed one."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.collaboration.decisions import Decision, disagreements
from models.arguments import Row
from models.findings import check_answer, compose
from models.findings.dialogue import disagreement, failed, numbered_rows
from models.findings.verification import Known

_MAX_ROWS = 10
_MAX_KNOWN_SERIES = 200


def problems_of(
    answer: str, decisions: Sequence[Decision], texts: Sequence[str]
) -> tuple[str, ...]:
    """Return why an answer about decisions may not be used; nothing if it may.

    Of a decision on several rows each row must be right in it, so that tables are composed.
    """
    findings = [finding for decision in decisions for finding in decision.findings]
    inputs = [
        known
        for decision in decisions
        for row in decision.inputs
        for known in _known(decision, row)
    ]
    described = [decision.tool.description for decision in decisions]
    sources = [f"{decision.tool.model} {decision.tool.version}" for decision in decisions]
    names = [name for decision in decisions for name in _names(decision)]
    # The names of figures in both languages, as `L10`.
    names += [composed_answer(decisions, language) for language in ("en", "zh")]
    return check_answer(answer, findings, inputs, [*texts, *described, *sources], names)


def composed_answer(decisions: Sequence[Decision], language: str) -> str:
    """Return the answer in the gateway's own words: each decision, and where they disagree."""
    parts = [_composed(decision, language) for decision in decisions]
    parts += [disagreement(first, second, language) for first, second in disagreements(decisions)]
    return "\n".join(part for part in parts if part)


def conflict_note(decisions: Sequence[Decision], language: str) -> str:
    """Return the sentences about disagreements, empty without one."""
    pairs = disagreements(decisions)
    return "\n".join(disagreement(first, second, language) for first, second in pairs)


def _composed(decision: Decision, language: str) -> str:
    """Return one decision in words."""
    tool = decision.tool
    if decision.prediction.error is not None:
        return failed(tool.model, decision.prediction.error, language)
    texts = [
        compose(finding, tool.model, tool.version, language)
        for finding in decision.findings[:_MAX_ROWS]
    ]
    if len(decision.findings) == 1:
        return texts[0]
    return numbered_rows(texts, len(decision.findings), language)


def _names(decision: Decision) -> Iterator[str]:
    """Yield the names of a decision's columns, and the texts in them."""
    signature = decision.tool.signature
    yield from (column.name for column in signature.inputs)
    yield from (column.name for column in signature.outputs)
    for row in decision.inputs:
        yield from (reading.value for reading in row.values() if isinstance(reading.value, str))


def _known(decision: Decision, row: Row) -> list[Known]:
    """Return the numbers of a row's inputs, in the units of the columns."""
    units: Mapping[str, str | None] = {field.name: field.unit for field in decision.tool.fields}
    known: list[Known] = []
    for name, reading in row.items():
        if isinstance(reading.value, tuple):
            known += [Known(one, units.get(name)) for one in reading.value[:_MAX_KNOWN_SERIES]]
            known.append(Known(float(len(reading.value))))
        elif isinstance(reading.value, float):
            known.append(Known(reading.value, units.get(name)))
    return known
