"""Choose the line that answers and say how probable it is that it does.

Two linear models: one ranks the candidates, the other tells from the best of them whether it
answers. `judge.npz` is made by `python -m models.line_reader.train_judge`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.line_reader.comparing import Comparison
from models.line_reader.encoder_file import Floats
from models.line_reader.judging.concepts import Concepts, load_concepts
from models.line_reader.judging.features import Candidates, build_candidates
from models.line_reader.judging.quoting import join_neighbours, quote_lines
from models.line_reader.lines import Line

JUDGE_FILE = Path(__file__).with_name("judge.npz")
_MAX_LEAD = 6.0


@dataclass(frozen=True, slots=True)
class JudgeWeights:
    """Weights of the ranking, and of the answer with means and deviations of its features."""

    rank: Floats
    answer: Floats
    means: Floats
    deviations: Floats
    threshold: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """The best line, its quotation, and the probability that it answers."""

    line: int
    quoted: str
    probability: float
    is_answer: bool


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the lines that the encoder compared."""

    concepts: Concepts
    weights: JudgeWeights

    def judge(self, question: str, lines: Sequence[Line], compared: Comparison) -> Judgement:
        """Return the best of at least one line."""
        candidates = build_candidates(self.concepts, question, lines, compared)
        scores = candidates.lines @ self.weights.rank
        features = answer_features(candidates, scores)
        scaled = (features - self.weights.means) / self.weights.deviations
        probability = 1 / (1 + float(np.exp(-np.clip(scaled @ self.weights.answer, -30, 30))))
        by_line = dict(zip(candidates.order.tolist(), scores.tolist(), strict=True))
        best = int(candidates.order[scores.argmax()])
        quoted = quote_lines(
            question, [lines[one] for one in join_neighbours(lines, by_line, best)]
        )
        return Judgement(best, quoted, probability, probability >= self.weights.threshold)


def answer_features(candidates: Candidates, scores: Floats) -> Floats:
    """Return what tells whether the best candidate answers; the last is the constant 1."""
    best, ordered = int(scores.argmax()), np.sort(scores)[::-1]
    lead = float(ordered[0] - ordered[1]) if len(ordered) > 1 else _MAX_LEAD
    shares = np.exp(scores - scores.max())
    share = float(shares[best] / shares.sum())
    own = (min(lead, _MAX_LEAD) / 2, share, 1.0)
    features: Floats = np.concatenate((candidates.lines[best], candidates.question, own)).astype(
        np.float32
    )
    return features


def save_judge(weights: JudgeWeights, target: Path = JUDGE_FILE) -> None:
    """Store the weights."""
    arrays: Mapping[str, NDArray[np.float32]] = {
        "rank": weights.rank,
        "answer": weights.answer,
        "means": weights.means,
        "deviations": weights.deviations,
        "threshold": np.array(weights.threshold, np.float32),
    }
    with target.open("wb") as opened:
        np.savez(opened, allow_pickle=False, **arrays)


def load_judge(source: Path = JUDGE_FILE) -> Judge:
    """Load the judge. Raises OSError, KeyError and ValueError."""
    with source.open("rb") as opened, np.load(opened) as stored:
        arrays = {name: stored[name] for name in ("rank", "answer", "means", "deviations")}
        weights = JudgeWeights(**arrays, threshold=float(stored["threshold"]))
    return Judge(load_concepts(), weights)
