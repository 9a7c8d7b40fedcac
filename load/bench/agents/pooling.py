"""The saving of warnings pooled over kinds of machine, with a bootstrap interval.

Costs of kinds cannot be added as they are: one rig with many events would be most of the sum. Each
kind's cost is therefore divided by what never warning would have cost on the same events, and the
pooled saving is

    1 - sum over kinds (learned / never) / sum over kinds (usual / never)

The interval is over blocks: histories where a kind has several, and the stretch around each event
where it has one long history. Blocks are drawn anew within each kind (stratified bootstrap), so the
interval says how sure the saving is on machines of these kinds. `over_kinds` also draws the kinds,
and says how sure it is on machines of kinds that were not measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.observed.resampling import ScoreInterval, interval_of

Floats = NDArray[np.float64]

RESAMPLES = 4000
_SEED = 11


@dataclass(frozen=True, slots=True)
class Block:
    """Costs on a part of a history: of the usual rule, of the learned one, and of never warning."""

    usual: float
    learned: float
    never: float


def pooled_saving(
    kinds: Mapping[str, Sequence[Block]], *, over_kinds: bool = False
) -> ScoreInterval:
    """Return the pooled saving of kinds of machine with its interval at 95 %.

    Bounds are infinite where the usual rule cost nothing in a resample.
    """
    tables = [_table(blocks) for blocks in kinds.values()]
    value = _saving(
        np.stack([_normalised(table[np.newaxis])[0] for table in tables])[:, np.newaxis]
    )
    random = np.random.default_rng(_SEED)
    drawn = np.stack([_resampled(table, random) for table in tables])
    if over_kinds:
        chosen = random.integers(len(tables), size=(len(tables), RESAMPLES))
        drawn = drawn[chosen, np.arange(RESAMPLES)]
    samples = _saving(drawn)
    known = samples[np.isfinite(samples)]
    if len(known) < RESAMPLES / 2:
        return ScoreInterval(float(value[0]), -np.inf, np.inf)
    return interval_of(float(value[0]), known)


def _table(blocks: Sequence[Block]) -> Floats:
    """Return blocks as rows of usual, learned and never."""
    return np.array([[one.usual, one.learned, one.never] for one in blocks], dtype=np.float64)


def _resampled(table: Floats, random: np.random.Generator) -> Floats:
    """Return normalised costs of resamples, [resamples, 2]; one without an event counts as 0."""
    rows = random.integers(len(table), size=(RESAMPLES, len(table)))
    return _normalised(table[rows])


def _normalised(tables: Floats) -> Floats:
    """Return usual and learned cost by that of never warning, [samples, 2]."""
    sums = tables.sum(axis=1)
    never = np.where(sums[:, 2:] > 0, sums[:, 2:], np.inf)
    return np.asarray(sums[:, :2] / never)


def _saving(costs: Floats) -> Floats:
    """Return savings of samples; costs: [kinds, samples, 2]."""
    usual, learned = costs.sum(axis=0).T
    return np.asarray(1.0 - learned / np.where(usual > 0, usual, np.nan))
