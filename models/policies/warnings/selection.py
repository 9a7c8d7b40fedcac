"""Choose among candidates by their cost on left-out folds, and measure that choice the same way.

    fold left out: threshold and member from the others -> cost of each candidate on the fold
    the candidate with the lowest sum is taken; the fixed limit on a single sensor is one of them

The measured cost leaves a fold out of the choice of the candidate as well, so that it is not lower
by the choice itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.policies.warnings.candidates import (
    FIXED,
    Candidate,
    Candidates,
    Chosen,
    Counts,
    Member,
)
from models.policies.warnings.history import Flags, WarningTerms
from models.policies.warnings.parts import folds_of


@dataclass(frozen=True, slots=True)
class Selected:
    """The candidate that was taken, with its member and threshold."""

    candidate: Candidate
    chosen: Chosen

    @property
    def member(self) -> Member:
        """The chosen member."""
        return self.candidate.members[self.chosen.member]

    @property
    def threshold(self) -> float:
        """The chosen threshold."""
        return float(self.member.table.values[self.chosen.threshold])


def select(found: Candidates, terms: WarningTerms) -> Selected:
    """Return the candidate with the lowest cost on left-out folds, or the fixed limit.

    The fixed limit is kept unless the whole procedure, choice included, costs less than it on folds
    that were left out of the choice as well.
    """
    everything = np.ones(len(found.parts), dtype=bool)
    candidate = _cheapest(found, terms, everything)
    fixed = found.find(FIXED)
    learned = terms.costs(measure_selection(found, terms)).sum()
    if learned >= terms.costs(_left_out(fixed, found, terms, everything)).sum():
        candidate = fixed
    return Selected(candidate, found.choose(candidate, terms, everything))


def measure_candidates(found: Candidates, terms: WarningTerms) -> Mapping[str, Counts]:
    """Return by name the left-out counts of each candidate."""
    everything = np.ones(len(found.parts), dtype=bool)
    return {one.name: _left_out(one, found, terms, everything) for one in found.rules}


def measure_selection(found: Candidates, terms: WarningTerms) -> Counts:
    """Return the left-out counts of the whole procedure: each fold by what the others choose.

    A single fold is measured on itself: nothing else is there to choose on.
    """
    folds = folds_of(found.parts)
    counts = np.zeros((len(folds), 2), dtype=np.int64)
    for fold in np.unique(folds):
        kept = folds != fold if len(np.unique(folds)) > 1 else folds == fold
        candidate = _cheapest(found, terms, kept)
        counts[folds == fold] = candidate.counts(found.choose(candidate, terms, kept))[
            folds == fold
        ]
    return counts


def _cheapest(found: Candidates, terms: WarningTerms, kept: Flags) -> Candidate:
    """Return the cheapest candidate on the kept parts; of equal ones the fixed limit.

    A single fold shows nothing of what is left out, and keeps the fixed limit.
    """
    if len(np.unique(folds_of(found.parts)[kept])) < 2:
        return found.find(FIXED)
    sums = {
        one.name: float(terms.costs(_left_out(one, found, terms, kept)[kept]).sum())
        for one in found.rules
    }
    return found.find(min(sums, key=lambda name: (sums[name], name != FIXED)))


def _left_out(one: Candidate, found: Candidates, terms: WarningTerms, kept: Flags) -> Counts:
    """Return the counts of a candidate on each kept part, chosen on the other kept folds.

    A single kept fold is measured on itself: there is nothing else to choose on.
    """
    folds = folds_of(found.parts)
    counts = np.zeros((len(folds), 2), dtype=np.int64)
    for fold in np.unique(folds[kept]):
        inside, others = kept & (folds == fold), kept & (folds != fold)
        chosen = found.choose(one, terms, others if others.any() else inside)
        counts[inside] = one.counts(chosen)[inside]
    return counts
