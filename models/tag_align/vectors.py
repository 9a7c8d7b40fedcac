"""The concept names' vectors, which lie beside the artefact: encoding thousands takes minutes.

Owns the file and that it is of the artefact's names and of the encoder in use.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from models.multilingual import EncoderMissing, PackagedEncoder, Vectors, load_encoder
from models.tag_align.encoder import Encoder
from models.tag_align.vocabulary import ArtefactBroken, Vocabulary

FILE = "vectors.npz"
# A plant's names come again with every call of its own: 16 MB hold so many.
_RECALLED = 10_000
NOTHING: Vectors = np.empty((0, 0), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class KnownTexts:
    """An encoder that has encoded some texts before: `rows` says where in `known` [texts, width].
    `recall` encodes another one, [width]."""

    rows: Mapping[str, int]
    known: Vectors
    recall: Callable[[str], Vectors]

    def vectors(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vectors:
        at = self.rows.get(text)
        return self.recall(text) if at is None else self.known[at]


def encoder_beside(artefact: Path, vocabulary: Vocabulary) -> KnownTexts:
    """The packaged encoder, to which the names of `artefact` are known.

    Raises EncoderMissing where the package is absent or another than the vectors were made with,
    or there are none, and ArtefactBroken where they are no file of this vocabulary.
    """
    encoder = load_encoder()
    known, version = read(artefact.with_name(FILE), names_of(vocabulary))
    if version != encoder.version:
        raise EncoderMissing(
            f"The names were encoded by version {version} of the encoder; {encoder.version} is "
            "installed, whose vectors do not compare with them."
        )
    return knowing(encoder, names_of(vocabulary), known)


def knowing(encoder: Encoder, texts: Sequence[str] = (), known: Vectors = NOTHING) -> KnownTexts:
    """`encoder`, to which the vectors of `texts` are known, and which recalls what it encodes."""
    rows = {text: at for at, text in enumerate(texts)}
    recall = lru_cache(_RECALLED)(lambda text: encoder.vectors([text])[0])
    return KnownTexts(rows, known, recall)


def names_of(vocabulary: Vocabulary) -> list[str]:
    """Every concept's name and aliases, each once."""
    names = (name for one in vocabulary.concepts for name in (one.name, *one.aliases))
    return list(dict.fromkeys(names))


def read(path: Path, names: Sequence[str]) -> tuple[Vectors, str]:
    """The vectors of `names` and the encoder's version. Raises ArtefactBroken, EncoderMissing."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            vectors, digest, version = file["vectors"], str(file["names"]), str(file["encoder"])
    except FileNotFoundError as error:
        raise EncoderMissing(f"There is no {path}: the names were not encoded.") from error
    except (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile) as error:
        raise ArtefactBroken(f"{path} holds no names' vectors.") from error
    if digest != _digest(names) or len(vectors) != len(names):
        raise ArtefactBroken(f"{path} is of another vocabulary; build both again.")
    return vectors.astype(np.float32), version


def render(vocabulary: Vocabulary, encoder: PackagedEncoder) -> bytes:
    """The file. Half precision, which a cosine does not notice."""
    names, file = names_of(vocabulary), io.BytesIO()
    vectors = encoder.vectors(names).astype(np.float16)
    np.savez(file, vectors=vectors, names=_digest(names), encoder=encoder.version)
    return file.getvalue()


def _digest(names: Sequence[str]) -> str:
    return sha256("\n".join(names).encode()).hexdigest()
