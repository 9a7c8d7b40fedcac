"""Read and write the file of precomputed concept name vectors beside the artefact.

Encoding thousands of names takes minutes. The file is valid only for the exact names of the
artefact and for the version of the encoder that computed it.
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
# Texts in the cache, about 16 MB: a plant sends the same tags with every call.
_CACHE_SIZE = 10_000
NO_VECTORS: Vectors = np.empty((0, 0), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class CachedEncoder:
    """An encoder with precomputed vectors of some texts.

    rows: the row of each text in `cached` [texts, width]. encode_missing: encodes any other text,
    [width].
    """

    rows: Mapping[str, int]
    cached: Vectors
    encode_missing: Callable[[str], Vectors]

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return a vector of length 1 for each text, [texts, width]."""
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vectors:
        """Return the vector of a text, [width], from the cache or else encoded."""
        at = self.rows.get(text)
        return self.encode_missing(text) if at is None else self.cached[at]


def load_cached_encoder(artefact: Path, vocabulary: Vocabulary) -> CachedEncoder:
    """Load the packaged encoder with the precomputed name vectors beside `artefact`.

    Raises EncoderMissing if the package is not installed, its version differs from that of the
    vectors, or the file of vectors is missing. Raises ArtefactBroken if the file is invalid or
    belongs to another vocabulary.
    """
    encoder = load_encoder()
    cached, version = read(artefact.with_name(FILE), concept_names(vocabulary))
    if version != encoder.version:
        raise EncoderMissing(
            f"The names were encoded by version {version} of the encoder; {encoder.version} is "
            "installed, and its vectors are not comparable with them."
        )
    return cached_encoder(encoder, concept_names(vocabulary), cached)


def cached_encoder(
    encoder: Encoder, texts: Sequence[str] = (), cached: Vectors = NO_VECTORS
) -> CachedEncoder:
    """Wrap `encoder` with the precomputed vectors of `texts` and an LRU cache for all others."""
    rows = {text: at for at, text in enumerate(texts)}
    encode_missing = lru_cache(_CACHE_SIZE)(lambda text: encoder.vectors([text])[0])
    return CachedEncoder(rows, cached, encode_missing)


def concept_names(vocabulary: Vocabulary) -> list[str]:
    """Return the distinct names and aliases of all concepts, in order."""
    names = (name for one in vocabulary.concepts for name in (one.name, *one.aliases))
    return list(dict.fromkeys(names))


def read(path: Path, names: Sequence[str]) -> tuple[Vectors, str]:
    """Read the vectors of `names` and the version of the encoder that computed them.

    Raises ArtefactBroken and EncoderMissing.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            vectors, digest, version = file["vectors"], str(file["names"]), str(file["encoder"])
    except FileNotFoundError as error:
        raise EncoderMissing(f"{path} does not exist: the names were not encoded.") from error
    except (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile) as error:
        raise ArtefactBroken(f"{path} holds no names' vectors.") from error
    if digest != _digest(names) or len(vectors) != len(names):
        raise ArtefactBroken(f"{path} belongs to another vocabulary; build both again.")
    return vectors.astype(np.float32), version


def render(vocabulary: Vocabulary, encoder: PackagedEncoder) -> bytes:
    """Encode all concept names and render the file; half precision suffices for cosines."""
    names, file = concept_names(vocabulary), io.BytesIO()
    vectors = encoder.vectors(names).astype(np.float16)
    np.savez(file, vectors=vectors, names=_digest(names), encoder=encoder.version)
    return file.getvalue()


def _digest(names: Sequence[str]) -> str:
    """Return the SHA-256 digest of names in order."""
    return sha256("\n".join(names).encode()).hexdigest()
