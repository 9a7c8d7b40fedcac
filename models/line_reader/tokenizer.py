"""The tokenizer of the packaged encoder: the pieces of a text with the highest sum of scores.

Hugging Face's library would take 270 MB for the same 250,000 pieces; texts are short here.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from models.line_reader.encoder_file import EncoderFile, Vocabulary

_SPACE = "\u2581"
_WHITE = re.compile(r"\s+")
# Below any piece, so that a known one is preferred.
_UNKNOWN_PENALTY = 10.0
# Of a piece, on average: what follows is cut anyway.
_MAX_CHARACTERS_PER_TOKEN = 12


@dataclass(frozen=True, slots=True)
class TextTokenizer:
    """Splits texts into pieces, between the special pieces of the beginning and the end."""

    vocabulary: Vocabulary
    longest: int
    unknown_score: float

    def encode(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        """Return the ids of the pieces of each text, at most `limit`, special ones included."""
        first, last = self.vocabulary.first, self.vocabulary.last
        return [[first, *self._split(text, limit)[: limit - 2], last] for text in texts]

    def _split(self, text: str, limit: int) -> list[int]:
        """Return the ids of the best division of a text; unknown characters in a row are one."""
        text = _normalize(text)[: limit * _MAX_CHARACTERS_PER_TOKEN]
        ids: list[int] = []
        unknown = self.vocabulary.unknown
        end = len(text)
        starts = self._best_starts(text)
        while end > 0:
            found = self.vocabulary.ids.get(text[starts[end] : end], unknown)
            if found != unknown or not ids or ids[-1] != unknown:
                ids.append(found)
            end = starts[end]
        return ids[::-1]

    def _best_starts(self, text: str) -> list[int]:
        """Return, for each end, where the last piece of the best division begins."""
        known, scores = self.vocabulary.ids, self.vocabulary.scores
        best = [0.0] + [float("-inf")] * len(text)
        starts = [0] * (len(text) + 1)
        for start in range(len(text)):
            if best[start] == float("-inf"):
                continue
            for end in range(start + 1, min(start + self.longest, len(text)) + 1):
                index = known.get(text[start:end])
                if index is None and end > start + 1:
                    continue
                score = self.unknown_score if index is None else float(scores[index])
                if best[start] + score > best[end]:
                    best[end], starts[end] = best[start] + score, start
        return starts


def build_tokenizer(file: EncoderFile) -> TextTokenizer:
    """Build the tokenizer from the pieces of the file."""
    vocabulary = file.vocabulary()
    longest = max(map(len, vocabulary.ids))
    return TextTokenizer(vocabulary, longest, float(vocabulary.scores.min()) - _UNKNOWN_PENALTY)


def _normalize(text: str) -> str:
    """Return the text in compatibility form (NFKC), with marks in place of white space."""
    compatible = unicodedata.normalize("NFKC", text)
    return _SPACE + _WHITE.sub(_SPACE, compatible).removeprefix(_SPACE)
