"""What the words, items and units of a question and its lines tell, as numbers."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from models.grounding.expectation import lacks_asked_figure, states_what_is_asked
from models.grounding.families import lacks_asked_item
from models.grounding.figures import find_codes, find_figures
from models.grounding.words import compact, find_terms
from models.line_reader.encoder_file import Floats
from models.line_reader.lines import Line

LINE_FEATURES = 10
# Similarities of this encoder are between 0.75 and 0.95.
_USUAL_SIMILARITY, _SPREAD = 0.85, 10.0


def line_features(question: str, lines: Sequence[Line], similarities: Floats) -> Floats:
    """Return the features of each line, [lines, LINE_FEATURES], from similarities [lines]."""
    terms = [find_terms(line.shown) for line in lines]
    spread = Counter(term for found in terms for term in found)
    weights = {term: math.log(1 + len(lines) / (1 + spread[term])) for term in find_terms(question)}
    total = sum(weights.values()) or 1.0
    codes = {compact(code) for code in find_codes(question)}
    centred = (similarities - similarities.mean()) / (similarities.std() + 1e-3)
    ranks = np.argsort(np.argsort(-similarities))
    lacks_item = lacks_asked_item(question, ["\n".join(line.shown for line in lines)])
    rows = []
    for index, line in enumerate(lines):
        text = compact(line.shown)
        named = sum(code in text for code in codes)
        rows.append(
            (
                centred[index],
                (similarities[index] - _USUAL_SIMILARITY) * _SPREAD,
                1.0 / (1 + ranks[index]),
                sum(weights.get(term, 0.0) for term in terms[index]) / total,
                named / len(codes) if codes else 0.0,
                bool(codes) and not named,
                lacks_asked_figure(question, line.text),
                states_what_is_asked(question, line.shown),
                bool(find_figures(line.text)),
                lacks_item,
            )
        )
    return np.array(rows, np.float32).reshape(-1, LINE_FEATURES)
