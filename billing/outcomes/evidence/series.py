"""Series: what several pieces of evidence come to, each time of a machine once.

    first said              stands
    said again              nothing new
    said otherwise          contested: the first stands, and how many said so is told
    corrected               the last correction by the same attester stands instead
    by several attesters    the most independent one's; of two of a kind, that of the first to speak

Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from billing.outcomes.contracts.terms import AttesterKind, OutcomeTerms
from billing.outcomes.evidence.readings_file import EvidenceInvalid, Reading, read_readings

READINGS, CORRECTION = "readings", "correction"
_INDEPENDENCE = {kind.value: place for place, kind in enumerate(AttesterKind)}
_Key = tuple[str, str, datetime]


@dataclass(frozen=True, slots=True)
class Told:
    """A piece of evidence with readings, or with corrected ones, by its id and its attester's."""

    id: str
    kind: str
    attester: str
    attester_kind: str
    received_at: datetime
    said: str


@dataclass(frozen=True, slots=True)
class Sourced:
    """A reading, and by which evidence it stands."""

    reading: Reading
    told: Told


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Evidence that the terms cannot read, as of another kind of unit, and why."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Series:
    """The readings that stand, by time and machine; how many said otherwise; and the evidence that
    could not be read."""

    rows: tuple[Sourced, ...]
    contested: int = 0
    left_out: tuple[LeftOut, ...] = ()


def series_of(evidence: Iterable[Told], terms: OutcomeTerms) -> Series:
    """What evidence in the order of its receipt comes to, read by a version's terms."""
    gathered = _Gathered(terms)
    for told in evidence:
        gathered.add(told)
    return gathered.series()


class _Gathered:
    """Takes evidence piece by piece."""

    def __init__(self, terms: OutcomeTerms) -> None:
        self._terms = terms
        self._kept: dict[_Key, Sourced] = {}
        self._contested = 0
        self._left_out: list[LeftOut] = []

    def add(self, told: Told) -> None:
        try:
            rows = read_readings(told.said, self._terms, told.received_at).rows
        except EvidenceInvalid as error:
            self._left_out.append(LeftOut(told.id, error.message))
            return
        for row in rows:
            self._take(told, row)

    def _take(self, told: Told, row: Reading) -> None:
        key = (told.attester, row.machine, row.at)
        known = self._kept.setdefault(key, Sourced(row, told))
        if known.reading == row:
            return
        if told.kind == CORRECTION:
            self._kept[key] = Sourced(row, told)
        else:
            self._contested += 1

    def series(self) -> Series:
        """Kept is in the order in which the attesters spoke, so of equals the first stays."""
        best: dict[tuple[datetime, str], Sourced] = {}
        for (_, machine, at), said in self._kept.items():
            known = best.setdefault((at, machine), said)
            if _independence(said) < _independence(known):
                best[at, machine] = said
        rows = tuple(best[key] for key in sorted(best))
        return Series(rows, self._contested, tuple(self._left_out))


def _independence(said: Sourced) -> int:
    """0 for the most independent."""
    return _INDEPENDENCE[said.told.attester_kind]
