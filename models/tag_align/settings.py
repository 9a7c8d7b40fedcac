"""Hyperparameters of the tag aligner."""

import math
from dataclasses import dataclass

from models.tag_align.features import Weighting
from models.tag_align.kinds import KindFactors
from models.tag_align.reading import PathWeights

# The best spelling score from which a tag is not encoded, and its factor for tags with non-ASCII
# letters. Chosen on half of the German pairs and two buildings: higher values make the
# accuracy on the buildings' tags worse than spelling alone.
MIN_SPELLING_SCORE, NON_ASCII_FACTOR = 0.34, 1.5
ALWAYS_SEMANTIC = math.inf  # a `min_spelling_score` that encodes every tag with a word

# Chosen on path-style names of three buildings. Only one of them has points that name no medium, so
# `implied` rests on that one (metrics.json, `paths/settings_chosen_on_the_other_buildings`).
PATH_WEIGHTS = PathWeights(parent=0.2, implied=0.5, context=0.5, literal=2.0)
KIND_FACTORS = KindFactors(no_point=0.4, other_kind=0.9, unsaid_kind=0.9)


@dataclass(frozen=True, slots=True)
class Settings:
    """Hyperparameters of an aligner.

    name_weights: feature weights for comparing a tag with a concept's name. tag_weights: feature
    weights for comparing two tags. ridge: regularization of the corrections that confirmations
    give. min_spelling_score: the best score below which a tag is encoded, if there is an encoder.
    path_weights, kind_factors: what equipment in a tag and the kinds of points count.
    """

    name_weights: Weighting
    tag_weights: Weighting
    ridge: float
    min_spelling_score: float = MIN_SPELLING_SCORE
    path_weights: PathWeights = PATH_WEIGHTS
    kind_factors: KindFactors = KIND_FACTORS


# A whole word shared with a concept's name is far stronger evidence than shared letter n-grams;
# between two tags of one building letter n-grams are the stronger evidence.
SETTINGS = Settings(
    name_weights=Weighting(word=3.0, pair=0.0, gram=0.3, min_gram=3, max_gram=5),
    tag_weights=Weighting(word=1.0, pair=1.0, gram=0.3, min_gram=2, max_gram=4),
    ridge=0.1,
)
