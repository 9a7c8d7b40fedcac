"""Compare a question with lines, token by token, and decide whether the best line answers.

The score of a line is the sum of three: how near its nearest tokens are to the question's tokens,
weighted; how near the two texts are as a whole; and what words, items and units tell. A second
small network decides from the best line's figures whether it answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.line_reader.encoder_file import Floats
from models.line_reader.encoding import EncodedText
from models.line_reader.features import line_features
from models.line_reader.lines import Line

Heads = Mapping[str, Floats]

# The beginning and the pieces of the prefix `query: ` tell nothing, nor does the end.
_PREFIX_TOKENS = 4
# A token of the question that no token of the line is nearer to is missing from it.
_NEAR = 0.6
_MAX_LEAD = 20.0


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near lines are: to each token of the question [tokens, lines], and as a whole [lines]."""

    tokens: Floats
    shares: Floats
    texts: Floats


@dataclass(frozen=True, slots=True)
class Comparison:
    """The scores of lines, and by how much the best one's exceeds that of no line answering.

    `nearness` is what the scores come from.
    """

    nearness: Nearness
    scores: Floats
    best: int
    margin: float


@dataclass(frozen=True, slots=True)
class EncodedLine:
    """A line and its encoded text."""

    line: Line
    encoded: EncodedText


def compare(
    heads: Heads, question: str, asked: EncodedText, lines: Sequence[EncodedLine]
) -> Comparison:
    """Compare a question with at least one line."""
    nearness = _measure(asked, [one.encoded for one in lines])
    features = line_features(question, [one.line for one in lines], nearness.texts)
    words = _network(heads, "words", features)[:, 0]
    token_scores = heads["alpha"] * (nearness.shares @ nearness.tokens)
    scores: Floats = token_scores + heads["beta"] * nearness.texts + words
    best = int(scores.argmax())
    facts = _facts(nearness, features, scores, best)
    vector = asked.vector.astype(np.float32)
    none = _network(heads, "none", facts[None])[0, 0] + heads["asked.weight"][0] @ vector
    return Comparison(nearness, scores, best, -float(none + heads["asked.bias"][0]))


def _measure(asked: EncodedText, lines: Sequence[EncodedText]) -> Nearness:
    """Return how near lines are to a question."""
    tokens = asked.tokens[_PREFIX_TOKENS:-1].astype(np.float32)
    weights = asked.weights[_PREFIX_TOKENS:-1].astype(np.float32)
    nearest = [
        (tokens @ one.tokens[1:].astype(np.float32).T).max(axis=1, initial=-1.0) for one in lines
    ]
    shares = weights / max(float(weights.sum()), 1e-6)
    vectors = np.stack([one.vector for one in lines]).astype(np.float32)
    return Nearness(np.stack(nearest, axis=1), shares, vectors @ asked.vector.astype(np.float32))


def _facts(nearness: Nearness, features: Floats, scores: Floats, best: int) -> Floats:
    """Return what tells whether the best line answers: its features, and how the tokens match."""
    line, document = nearness.tokens[:, best], nearness.tokens.max(axis=1)
    shares = nearness.shares
    ordered = np.sort(scores)[::-1]
    lead = float(ordered[0] - ordered[1]) if len(ordered) > 1 else _MAX_LEAD
    return np.array(
        [
            *features[best],
            shares @ line,
            shares @ document,
            shares @ np.maximum(_NEAR - line, 0.0) * 5,
            shares @ np.maximum(_NEAR - document, 0.0) * 5,
            shares @ (document - line) * 5,
            line.min(initial=1.0),
            min(lead, _MAX_LEAD) / 4,
            (nearness.texts[best] - 0.85) * 10,
            len(shares) / 20,
        ],
        np.float32,
    )


def _network(heads: Heads, name: str, inputs: Floats) -> Floats:
    """Return the outputs of a network with one inner layer, [rows, outputs]."""
    inner = np.tanh(inputs @ heads[f"{name}.0.weight"].T + heads[f"{name}.0.bias"])
    outputs: Floats = inner @ heads[f"{name}.2.weight"].T + heads[f"{name}.2.bias"]
    return outputs
