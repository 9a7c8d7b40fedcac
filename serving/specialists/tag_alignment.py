"""Tag alignment as a specialist: a plant's tags in, ranked concepts out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.multilingual import EXTRA
from models.signature import BYTES, Columns, InputField, InputInvalid, OutputField, Signature
from models.tag_align.adapt import aligners, with_confirmations
from models.tag_align.aligner import Answer, Basis, Candidate, TagAligner
from models.tag_align.confirmations import TooManyConfirmations, VariantBroken
from models.tag_align.naming import MAX_TAG, TagInvalid, Words, check, pattern, split
from models.tag_align.vocabulary import ArtefactBroken, ConceptUnknown, Scheme
from serving.errors import WeightsBroken

TOP = 5
# Reading by meaning takes tens of milliseconds, while which every other request waits: of one run
# so many kinds of tags are read so, and the rest by their letters.
MOST_BY_MEANING = 100
SIGNATURE = Signature(
    inputs=(
        InputField("tag", BYTES, description=f"A point's name as the plant has it, {MAX_TAG} long"),
        InputField(
            "scheme",
            BYTES,
            description="Whose concepts to answer with; left out, a variant's confirmations say "
            f"it, and without a variant it is {Scheme.BRICK}",
            values=tuple(str(one) for one in Scheme),
            optional=True,
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
            f"extra {EXTRA}; of {MOST_BY_MEANING} kinds of tags a call) or confirmed",
        ),
        OutputField("candidates", BYTES, description=f"The {TOP} likeliest ids", series=True),
        OutputField("candidate_scores", "FP32", description="Their scores", series=True),
    ),
    version="2",
)


@dataclass(frozen=True, slots=True)
class TagSpecialist:
    """`schemes` are in use, each row's own, and `default` where a row names none. A variant's
    default is the scheme of its confirmations, whose aligner has learned them."""

    name: str
    default: str
    schemes: Mapping[str, TagAligner]
    signature: Signature = SIGNATURE

    @property
    def platform(self) -> str:
        return "tag_align"

    def check(self, columns: Columns) -> None:
        """Raises InputInvalid for the first row that is no tag."""
        for row, tag in enumerate(columns["tag"]):
            try:
                check(tag)
            except TagInvalid as error:
                raise InputInvalid(f"'tag' in row {row}: {error}", param="tag") from error

    def run(self, columns: Columns) -> Columns:
        answers = self._answers(zip(columns["tag"], columns["scheme"], strict=True))
        found = [each.candidates for each in answers]
        ids = _table([[one.concept.id for one in each] for each in found], "")
        scores = _table([[one.score for one in each] for each in found], 0.0)
        return {
            "concept": ids[:, 0],
            "name": np.array([_name(each) for each in found], dtype=object),
            "score": scores[:, 0].astype(np.float32),
            "basis": np.array([str(each.basis) for each in answers], dtype=object),
            "candidates": ids,
            "candidate_scores": scores.astype(np.float32),
        }

    def _answers(self, rows: Iterable[tuple[str, str]]) -> list[Answer]:
        """One for each (tag, scheme). Tags that differ in numbers only are of one kind."""
        answers: list[Answer] = []
        read: set[Words] = set()
        for tag, scheme in rows:
            kind = pattern(split(tag))
            able = len(read) < MOST_BY_MEANING or kind in read
            answer = self.schemes[scheme or self.default].answer(tag, TOP, by_meaning=able)
            if answer.basis is Basis.MEANING:
                read.add(kind)
            answers.append(answer)
        return answers

    def adapted(self, name: str, version: str, artefact: bytes) -> "TagSpecialist":
        try:
            scheme, learned = with_confirmations(self.schemes, artefact)
        except (VariantBroken, ConceptUnknown, TagInvalid, TooManyConfirmations) as error:
            raise WeightsBroken(f"The variant {name!r} cannot be loaded.") from error
        signature = msgspec.structs.replace(self.signature, version=version)
        schemes = MappingProxyType({**self.schemes, scheme: learned})
        return replace(self, name=name, default=scheme, schemes=schemes, signature=signature)


def load_tags(name: str, path: Path) -> TagSpecialist:
    """The aligners over the vocabulary at `path`, by default Brick's. Raises WeightsBroken."""
    try:
        schemes = aligners(path)
    except (OSError, ArtefactBroken) as error:
        raise WeightsBroken(f"The artefact of {name!r} cannot be loaded.") from error
    return TagSpecialist(name, Scheme.BRICK, schemes)


def _name(candidates: tuple[Candidate, ...]) -> str:
    return candidates[0].concept.name if candidates else ""


def _table(rows: list[list[Any]], nothing: Any) -> NDArray[Any]:
    """[rows, TOP]; a tag with fewer candidates is filled up with `nothing`."""
    return np.array([[*row, *[nothing] * (TOP - len(row))] for row in rows], dtype=object)
