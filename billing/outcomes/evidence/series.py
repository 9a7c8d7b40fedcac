"""Merging of several pieces of evidence into one reading per machine and time.

first reading           is used
same reading again      ignored
different reading       contested: the first is used, and the contested ones are counted
correction              the last correction by the same attester replaces the reading
several attesters       the most independent kind wins; of one kind, the first in the log
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from billing.outcomes.contracts.terms import AttesterKind, OutcomeTerms
from billing.outcomes.evidence.readings_file import EvidenceInvalid, ReadingRow, parse_readings

READINGS, CORRECTION = "readings", "correction"
_RANK_BY_ATTESTER_KIND = {kind.value: place for place, kind in enumerate(AttesterKind)}
_Key = tuple[str, str, datetime]


@dataclass(frozen=True, slots=True)
class ReadingsEvidence:
    """A piece of evidence with readings or corrections, as stored in measurement inputs.

    The field names are keys of canonical JSON: they must not change.
    """

    id: str
    kind: str
    attester: str
    attester_kind: str
    received_at: datetime
    said: str


@dataclass(frozen=True, slots=True)
class SourcedReading:
    """A reading with the evidence that contains it."""

    reading: ReadingRow
    evidence: ReadingsEvidence


@dataclass(frozen=True, slots=True)
class UnreadableEvidence:
    """Evidence that cannot be parsed under the terms (such as another unit), and the reason."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class ReadingSeries:
    """The merged readings by time and machine, the number contested, and unreadable evidence."""

    readings: tuple[SourcedReading, ...]
    contested: int = 0
    unreadable: tuple[UnreadableEvidence, ...] = ()


def build_series(evidence: Iterable[ReadingsEvidence], terms: OutcomeTerms) -> ReadingSeries:
    """Merge evidence, in order of receipt, into one series, parsed under a version's terms."""
    builder = _SeriesBuilder(terms)
    for item in evidence:
        builder.add(item)
    return builder.build()


class _SeriesBuilder:
    """Incremental merge of pieces of evidence."""

    def __init__(self, terms: OutcomeTerms) -> None:
        self._terms = terms
        self._kept: dict[_Key, SourcedReading] = {}
        self._contested = 0
        self._left_out: list[UnreadableEvidence] = []

    def add(self, evidence: ReadingsEvidence) -> None:
        """Merge one piece of evidence, or record why it cannot be parsed."""
        try:
            rows = parse_readings(evidence.said, self._terms, evidence.received_at).rows
        except EvidenceInvalid as error:
            self._left_out.append(UnreadableEvidence(evidence.id, error.message))
            return
        for row in rows:
            self._add_reading(evidence, row)

    def _add_reading(self, evidence: ReadingsEvidence, row: ReadingRow) -> None:
        """Keep the attester's first reading of a time, unless a correction replaces it."""
        key = (evidence.attester, row.machine, row.at)
        current = self._kept.setdefault(key, SourcedReading(row, evidence))
        if current.reading == row:
            return
        if evidence.kind == CORRECTION:
            self._kept[key] = SourcedReading(row, evidence)
        else:
            self._contested += 1

    def build(self) -> ReadingSeries:
        """Return the series: per time and machine, the reading of the most independent attester.

        Of equally independent attesters, the first in the log wins.
        """
        best: dict[tuple[datetime, str], SourcedReading] = {}
        for (_, machine, at), sourced in self._kept.items():
            current = best.setdefault((at, machine), sourced)
            if _independence_rank(sourced) < _independence_rank(current):
                best[at, machine] = sourced
        rows = tuple(best[key] for key in sorted(best))
        return ReadingSeries(rows, self._contested, tuple(self._left_out))


def _independence_rank(sourced: SourcedReading) -> int:
    """Return the rank of the attester kind: 0 is the most independent."""
    return _RANK_BY_ATTESTER_KIND[sourced.evidence.attester_kind]
