"""Index of concept names, which scores a tag by spelling and, with an encoder, by embeddings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from models.tag_align.encoder import Encoder, NameEmbeddings
from models.tag_align.features import (
    Floats,
    Index,
    Rows,
    Weighting,
    build_index,
    extract_features,
    word_feature,
)
from models.tag_align.kinds import ConceptKinds, KindFactors
from models.tag_align.naming import Lexicon, Words, is_long_word, split_words, without_numbers
from models.tag_align.reading import PathWeights, ReadTag, query_features
from models.tag_align.vocabulary import Concept

# Weights of a semantic score: cosine of the raw tag, cosine of the expanded tag, spelling score.
RAW_TAG_WEIGHT, EXPANDED_TAG_WEIGHT, SPELLING_WEIGHT = 1.0, 0.5, 0.1
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class ConceptNameIndex:
    """All names of all concepts; those of concept `n` begin at `starts[n]`."""

    concepts: tuple[Concept, ...]
    index: Index
    starts: Rows
    weighting: Weighting
    embeddings: NameEmbeddings | None
    path_weights: PathWeights
    kinds: ConceptKinds
    kind_factors: KindFactors

    @classmethod
    def build(
        cls,
        concepts: Sequence[Concept],
        weighting: Weighting,
        encoder: Encoder | None,
        path_weights: PathWeights,
        kind_factors: KindFactors,
    ) -> Self:
        """Index the names and aliases of concepts, and encode them if there is an encoder."""
        names_by_concept = [(one.name, *one.aliases) for one in concepts]
        all_names = [name for names in names_by_concept for name in names]
        starts = np.cumsum([0, *(len(names) for names in names_by_concept[:-1])]).astype(np.intp)
        name_index = build_index(
            [
                extract_features([without_numbers(split_words(name))], weighting)
                for name in all_names
            ]
        )
        embeddings = None if encoder is None else NameEmbeddings.build(encoder, all_names)
        kinds = ConceptKinds.build(concepts)
        return cls(
            tuple(concepts),
            name_index,
            starts,
            weighting,
            embeddings,
            path_weights,
            kinds,
            kind_factors,
        )

    def spelling_scores(self, tag: ReadTag) -> Floats:
        """Return the best spelling similarity of each concept to a tag, [concepts]."""
        best = self._best_per_concept(self._spelling_similarities(tag))
        return np.asarray(best * self.kinds.factors(tag, self.kind_factors))

    def best_similarity(self, tag: ReadTag) -> float:
        """Return the highest spelling similarity of any name, whatever its kind."""
        return float(np.max(self._spelling_similarities(tag)))

    def semantic_scores(self, embeddings: NameEmbeddings, tag: ReadTag) -> Floats:
        """Return the best weighted similarity of each concept by embeddings, [concepts]."""
        text = tag.name.leaf_text
        spelling = " ".join(without_numbers(tag.leaf))
        raw_similarities, expanded_similarities = embeddings.similarities(
            [_without_digits(text) or text, spelling or text]
        )
        weighted = (
            RAW_TAG_WEIGHT * raw_similarities
            + EXPANDED_TAG_WEIGHT * expanded_similarities
            + SPELLING_WEIGHT * self._spelling_similarities(tag)
        )
        best = self._best_per_concept(
            weighted / (RAW_TAG_WEIGHT + EXPANDED_TAG_WEIGHT + SPELLING_WEIGHT)
        )
        return np.asarray(best * self.kinds.factors(tag, self.kind_factors))

    def unknown_letter_share(self, expanded: Words, lexicon: Lexicon) -> float:
        """Return which share of a tag's letters is in long words of no concept name or lexicon."""
        words = without_numbers(expanded)
        unknown = (
            word for word in words if is_long_word(word) and not self._is_known(word, lexicon)
        )
        return sum(map(len, unknown)) / max(1, sum(map(len, words)))

    def _spelling_similarities(self, tag: ReadTag) -> Floats:
        """Return the cosine similarity of a tag to each name, [names]."""
        return self.index.similarities(query_features(tag, self.weighting, self.path_weights))

    def _best_per_concept(self, scores: Floats) -> Floats:
        """Return the maximum over each concept's names, [concepts]."""
        return np.asarray(np.maximum.reduceat(scores, self.starts))

    def _is_known(self, word: str, lexicon: Lexicon) -> bool:
        """Whether a word is in the lexicon or in a concept's name."""
        return word in lexicon.compound_parts or word_feature(word) in self.index


def _without_digits(tag: str) -> str:
    """Remove the digits of a tag before it is encoded, so that more tags share one cached vector.

    Capitals stay: they mark German nouns.
    """
    return " ".join(_DIGITS.sub("", tag).split())
