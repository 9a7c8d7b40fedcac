"""The embeddings of the handbook's passages, and the passages nearest to a query.

`vectors.npz` is made by `python -m models.handbook.embed` and belongs to one state of the texts and
one embedding model.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.handbook.passages import HandbookInvalid, HandbookPassage, read_handbook

VECTORS_FILE = Path(__file__).with_name("vectors.npz")
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HandbookIndex:
    """The passages with their embeddings, [passages, dimensions], each of length 1.

    `embedding_model` is the id of the catalog model that made the embeddings; a query must be
    embedded by the same model.
    """

    passages: tuple[HandbookPassage, ...]
    vectors: Vectors
    embedding_model: str

    def search(
        self, query_vector: Sequence[float], language: str, limit: int
    ) -> list[tuple[HandbookPassage, float]]:
        """Return the nearest passages of a language with their cosine similarities, best first."""
        query = np.asarray(query_vector, dtype=np.float32)
        similarities = self.vectors @ (query / max(float(np.linalg.norm(query)), 1e-9))
        of_language = [
            position
            for position, passage in enumerate(self.passages)
            if passage.language == language
        ]
        best = sorted(of_language, key=lambda position: -float(similarities[position]))[:limit]
        return [(self.passages[position], float(similarities[position])) for position in best]


def passage_text(passage: HandbookPassage) -> str:
    """Return the text of a passage that is embedded and shown to the model."""
    return f"{passage.title}\n{passage.text}"


def texts_digest(passages: Sequence[HandbookPassage]) -> str:
    """Return the SHA-256 of the texts, which identifies the state that was embedded."""
    text = "".join(f"{one.language} {one.id}\n{passage_text(one)}\n" for one in passages)
    return hashlib.sha256(text.encode()).hexdigest()


def load_index(file: Path = VECTORS_FILE) -> HandbookIndex:
    """Load the handbook with its embeddings. Raises HandbookInvalid if the texts were changed."""
    passages = read_handbook()
    with np.load(file) as stored:
        digest, model = str(stored["digest"]), str(stored["model"])
        vectors = stored["vectors"].astype(np.float32)
    if digest != texts_digest(passages):
        raise HandbookInvalid(
            f"{file.name} belongs to other texts: run python -m models.handbook.embed."
        )
    return HandbookIndex(passages, vectors, model)


def save_vectors(
    passages: Sequence[HandbookPassage], vectors: Vectors, model: str, file: Path = VECTORS_FILE
) -> None:
    """Store the embeddings in half precision with the digest of the texts and the model's id."""
    np.savez_compressed(
        file,
        vectors=vectors.astype(np.float16),
        digest=np.array(texts_digest(passages)),
        model=np.array(model),
    )
