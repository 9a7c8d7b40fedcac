"""`python -m models.handbook.embed`: embed the handbook's passages, after a change of its texts.

Takes some minutes.
"""

import sys

import numpy as np

from models.catalog import load_catalog
from models.catalog.profiles import DEFAULT_PROFILE
from models.handbook.index import (
    VECTORS_FILE,
    Vectors,
    passage_text,
    save_vectors,
)
from models.handbook.passages import HandbookPassage, read_handbook
from models.multilingual import DIMENSIONS, PackagedEncoder, load_encoder

_BATCH = 16


def main() -> None:
    """Embed all passages with the catalog's embedding model for vector stores."""
    passages = read_handbook()
    catalog = load_catalog(DEFAULT_PROFILE).models.values()
    model = next(one for one in catalog if one.retrieval is not None)
    encoder = load_encoder(threads=2)
    save_vectors(passages, _embed(encoder, passages), model.id)
    sys.stdout.write(f"{len(passages)} passages in {VECTORS_FILE}\n")


def _embed(encoder: PackagedEncoder, passages: tuple[HandbookPassage, ...]) -> Vectors:
    """Return the embeddings of the passages, [passages, dimensions], reporting progress."""
    vectors = np.empty((len(passages), DIMENSIONS), dtype=np.float32)
    for start in range(0, len(passages), _BATCH):
        batch = passages[start : start + _BATCH]
        vectors[start : start + len(batch)] = encoder.passages([passage_text(p) for p in batch])
        sys.stderr.write(f"{start + len(batch)} of {len(passages)}\n")
    return vectors


if __name__ == "__main__":
    main()
