"""Learn when to warn: rules compete by their cost on what they have not seen.

The fixed limit on the best single sensor competes as well, and is kept where nothing else costs
less on the histories that were left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.policies.warnings.candidates import Candidates, fit_candidates
from models.policies.warnings.history import Flags, MachineHistory, WarningTerms
from models.policies.warnings.replay import WarningResult, replay_warnings, warning_ticks
from models.policies.warnings.scores import Score
from models.policies.warnings.selection import select


@dataclass(frozen=True, slots=True)
class WarningPolicy:
    """Warn if a score is above a threshold, then not again for `pause` ticks."""

    name: str
    score: Score
    threshold: float
    pause: int

    def wants(self, history: MachineHistory) -> Flags:
        """Return the ticks at which the policy warns, [ticks]."""
        above = np.asarray(self.score.of(history) > self.threshold)
        flags = np.zeros(history.ticks, dtype=bool)
        flags[warning_ticks(above, history.normal, self.pause)] = True
        return flags

    def replay(self, history: MachineHistory, terms: WarningTerms) -> WarningResult:
        """Return the result on a history."""
        return replay_warnings(self.wants(history), history, terms.hold)


def learn_warnings(histories: Sequence[MachineHistory], terms: WarningTerms) -> WarningPolicy:
    """Return the policy with the lowest cost on left-out parts. Raises HistoryInvalid."""
    return choose_policy(fit_candidates(histories, terms.hold), terms)


def choose_policy(found: Candidates, terms: WarningTerms) -> WarningPolicy:
    """Return the policy of the candidate that costs least on left-out parts."""
    selected = select(found, terms)
    member = selected.member
    return WarningPolicy(selected.candidate.name, member.score, selected.threshold, member.pause)
