"""Build the tag aligner's vocabulary of concepts: `python -m models.tag_align.train`.

Nothing is fitted here: only tenants' variants are fitted, on confirmations (learning.py).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.multilingual import EncoderMissing, load_encoder
from models.tag_align import vectors
from models.tag_align.aligner import ARTEFACT
from models.tag_align.data import (
    abbreviations,
    brick_concepts,
    point_concepts,
    shell_concepts,
)
from models.tag_align.vocabulary import Vocabulary, render
from models.training_data import TrainingDataMissing, default_directory


def build(directory: Path) -> Vocabulary:
    """Build the vocabulary of all concepts and abbreviations. Raises TrainingDataMissing."""
    concepts = (
        *point_concepts(directory),
        *brick_concepts(directory),
        *shell_concepts(directory),
    )
    return Vocabulary(concepts, abbreviations())


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the artefact and, with --vectors, the vectors of its concept names."""
    parser = argparse.ArgumentParser(description="Build the vocabulary for aligning tags.")
    parser.add_argument(
        "--data", type=Path, default=default_directory(), help="directory of the training sets"
    )
    parser.add_argument(
        "--output", type=Path, default=ARTEFACT, help="file to write the vocabulary to"
    )
    parser.add_argument(
        "--vectors",
        action="store_true",
        help="also compute the embeddings of the names; takes minutes",
    )
    options = parser.parse_args(arguments)
    try:
        encoder = load_encoder() if options.vectors else None
        vocabulary = build(options.data)
    except (TrainingDataMissing, EncoderMissing) as error:
        parser.error(str(error))
    options.output.write_text(render(vocabulary), encoding="utf-8")
    sys.stdout.write(f"{options.output}: {len(vocabulary.concepts)} concepts\n")
    if encoder is not None:
        vectors_path = options.output.with_name(vectors.FILE)
        vectors_path.write_bytes(vectors.render(vocabulary, encoder))
        sys.stdout.write(f"{vectors_path}: {len(vectors.concept_names(vocabulary))} names\n")


if __name__ == "__main__":
    main()
