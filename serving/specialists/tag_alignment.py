"""Tag alignment as a specialist: maps a plant's tag names to ranked concepts of a vocabulary."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.multilingual import EXTRA
from models.own_artefact import VariantBroken
from models.signature import BYTES, Columns, InputField, OutputField, Signature
from models.tag_align.adapt import aligners, load_variant_aligner
from models.tag_align.aligner import Basis, Candidate, TagAligner, TagAlignment
from models.tag_align.confirmations import TooManyConfirmations
from models.tag_align.naming import MAX_TAG_LENGTH, TagInvalid
from models.tag_align.own_concepts import MAX_CONCEPTS, OWN_SCHEME
from models.tag_align.parsing.name import Notation
from models.tag_align.vocabulary import ArtefactBroken, ConceptUnknown, Scheme
from serving.errors import WeightsBroken
from serving.specialists.tag_rows import NEW, SAME, check_rows, own_aligners, rank_lists

TOP = 5
# Aligning by meaning takes tens of milliseconds and delays all other requests. Of one request at
# most this many kinds of tags are aligned by meaning, the rest by their letters. Each request is a
# run of its own (serving/specialists/inference.py), or others would use up what it may.
MAX_BY_MEANING = 100
SIGNATURE = Signature(
    inputs=(
        InputField(
            "tag", BYTES, description=f"A point's name as the plant has it, {MAX_TAG_LENGTH} long"
        ),
        InputField(
            "scheme",
            BYTES,
            description="Whose concepts to answer with; left out, a variant's confirmations say "
            f"it, and without a variant it is {Scheme.BRICK}. {OWN_SCHEME}: those in `concepts` "
            "or of the variant",
            values=(*(str(one) for one in Scheme), OWN_SCHEME),
            optional=True,
        ),
        InputField(
            "concepts",
            BYTES,
            description="Your own concepts, as JSON: a list of `id`, `name` and, if you like, "
            f"`aliases`, {MAX_CONCEPTS:,} at most. Empty: those of the row before",
            optional=True,
        ),
        InputField(
            "list",
            BYTES,
            description=f"{NEW} on the first tag of a plant and {SAME} on its others: the answer "
            "then has `confirm_rank`",
            values=("", NEW, SAME),
            optional=True,
        ),
        InputField(
            "low",
            "FP32",
            description="Lowest value of the point, to infer its unit; equal to `high`: not known",
            optional=True,
            default=0.0,
        ),
        InputField(
            "high", "FP32", description="Highest value of the point", optional=True, default=0.0
        ),
    ),
    outputs=(
        OutputField("concept", BYTES, description="The likeliest concept's id; empty where none"),
        OutputField("name", BYTES, description="Its name"),
        OutputField("score", "FP32", description="0 to 1, for ranking; it is no probability"),
        OutputField(
            "basis",
            BYTES,
            description="What it rests on: letters, meaning (where the operator installed the "
            f"extra {EXTRA}; of {MAX_BY_MEANING} kinds of tags a call) or confirmed",
        ),
        OutputField("candidates", BYTES, description=f"The {TOP} likeliest ids", series=True),
        OutputField("candidate_scores", "FP32", description="Their scores", series=True),
        OutputField(
            "notation",
            BYTES,
            description="How the tag is written: " + ", ".join(str(one) for one in Notation),
        ),
        OutputField("kind", BYTES, description="point, equipment or place; empty where unknown"),
        OutputField("equipment", BYTES, description="The nearest equipment in the tag, as written"),
        OutputField("unit", BYTES, description="The unit, where the name or the range shows it"),
        OutputField("unit_basis", BYTES, description="What the unit rests on: name or range"),
        OutputField(
            "confirm_rank",
            "INT32",
            description="With `list`: 1 is the tag to confirm first; 0: another tag covers it",
        ),
    ),
    version="3",
)


@dataclass(frozen=True, slots=True)
class TagAlignmentSpecialist:
    """Aligns tags to concepts, with one aligner for each vocabulary scheme.

    `default_scheme` is the scheme of rows that name none. In a variant it is the scheme of the
    confirmations, from which that scheme's aligner has learned.
    """

    name: str
    default_scheme: str
    schemes: Mapping[str, TagAligner]
    signature: Signature = SIGNATURE

    @property
    def platform(self) -> str:
        """The `platform` of the Open Inference model metadata."""
        return "tag_align"

    def check(self, columns: Columns) -> None:
        """Raise InputInvalid for the first row that is not valid."""
        check_rows(columns, OWN_SCHEME in self.schemes)

    def run(self, columns: Columns) -> Columns:
        """Align the tags of one request; return the best concept, its basis and the candidates."""
        tags = list(columns["tag"])
        aligners = self._aligners(columns)
        answers = _align_tags(tags, aligners)
        ranked = [answer.candidates for answer in answers]
        ids = _pad_candidates([[one.concept.id for one in row] for row in ranked], "")
        scores = _pad_candidates([[one.score for one in row] for row in ranked], 0.0)
        ranks = rank_lists(tags, list(columns["list"]), aligners)
        return {
            "concept": ids[:, 0],
            "name": np.array([_top_name(row) for row in ranked], dtype=object),
            "score": scores[:, 0].astype(np.float32),
            "basis": np.array([str(answer.basis) for answer in answers], dtype=object),
            "candidates": ids,
            "candidate_scores": scores.astype(np.float32),
            **_describe_tags(columns, aligners),
            "confirm_rank": np.array(ranks, dtype=np.int32),
        }

    def _aligners(self, columns: Columns) -> list[TagAligner]:
        """Return the aligner of each row."""
        schemes = [scheme or self.default_scheme for scheme in columns["scheme"]]
        with_default = {**columns, "scheme": np.array(schemes, dtype=object)}
        own = own_aligners(with_default, self.schemes[Scheme.BRICK], self.schemes.get(OWN_SCHEME))
        return [
            aligner if scheme == OWN_SCHEME else self.schemes[scheme]
            for scheme, aligner in zip(schemes, own, strict=True)
        ]

    def load_variant(self, name: str, version: str, artefact: bytes) -> "TagAlignmentSpecialist":
        """Load a customer's confirmations of tags. Raises WeightsBroken."""
        try:
            scheme, learned = load_variant_aligner(self.schemes, artefact)
        except (VariantBroken, ConceptUnknown, TagInvalid, TooManyConfirmations) as error:
            raise WeightsBroken(f"The fine-tuned model {name!r} cannot be loaded.") from error
        signature = msgspec.structs.replace(self.signature, version=version)
        schemes = MappingProxyType({**self.schemes, scheme: learned})
        return replace(self, name=name, default_scheme=scheme, schemes=schemes, signature=signature)


def load_tag_alignment(name: str, path: Path) -> TagAlignmentSpecialist:
    """Load the aligners of the vocabulary at `path`; default scheme Brick. Raises WeightsBroken."""
    try:
        schemes = aligners(path)
    except (OSError, ArtefactBroken) as error:
        raise WeightsBroken(f"The artefact of {name!r} cannot be loaded.") from error
    return TagAlignmentSpecialist(name, Scheme.BRICK, schemes)


def _align_tags(tags: Sequence[str], aligners: Sequence[TagAligner]) -> list[TagAlignment]:
    """Align each tag with its aligner; at most MAX_BY_MEANING kinds of tags by meaning."""
    rows_by_aligner: dict[int, list[int]] = defaultdict(list)
    for row, aligner in enumerate(aligners):
        rows_by_aligner[id(aligner)].append(row)
    alignments: dict[int, TagAlignment] = {}
    budget = MAX_BY_MEANING
    for rows in rows_by_aligner.values():
        aligned = aligners[rows[0]].align_all([tags[row] for row in rows], TOP, budget)
        budget -= len({id(one) for one in aligned if one.basis is Basis.MEANING})
        alignments.update(zip(rows, aligned, strict=True))
    return [alignments[row] for row in range(len(tags))]


def _describe_tags(columns: Columns, aligners: Sequence[TagAligner]) -> Columns:
    """Return what the structure of each tag says: notation, kind, equipment and unit."""
    described = [
        aligner.describe(tag, None if low >= high else (float(low), float(high)))
        for tag, aligner, low, high in zip(
            columns["tag"], aligners, columns["low"], columns["high"], strict=True
        )
    ]
    texts = {
        "notation": [str(one.notation) for one in described],
        "kind": [str(one.kind) for one in described],
        "equipment": [one.equipment for one in described],
        "unit": [one.unit.unit for one in described],
        "unit_basis": [str(one.unit.basis) for one in described],
    }
    return {name: np.array(values, dtype=object) for name, values in texts.items()}


def _top_name(candidates: tuple[Candidate, ...]) -> str:
    """Return the name of the best candidate's concept; empty without candidates."""
    return candidates[0].concept.name if candidates else ""


def _pad_candidates(rows: list[list[Any]], filler: Any) -> NDArray[Any]:
    """Return an array of shape [rows, TOP], padded with `filler`."""
    return np.array([[*row, *[filler] * (TOP - len(row))] for row in rows], dtype=object)
