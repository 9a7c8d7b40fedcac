"""What the structure of a tag says beside its concept: notation, kind, equipment and unit."""

from dataclasses import dataclass
from enum import StrEnum

from models.tag_align.parsing.equipment import is_equipment, is_place, is_point
from models.tag_align.parsing.name import Notation
from models.tag_align.parsing.units import InferredUnit, UnitBasis, infer_unit
from models.tag_align.reading import ReadTag


class TagKind(StrEnum):
    """What a tag names."""

    POINT = "point"
    EQUIPMENT = "equipment"
    PLACE = "place"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class TagDescription:
    """The structure of a tag. equipment: the nearest equipment above the point, as written."""

    notation: Notation
    kind: TagKind
    equipment: str
    unit: InferredUnit


def describe_tag(tag: ReadTag, value_range: tuple[float, float] | None) -> TagDescription:
    """Describe a tag; `value_range` is the lowest and highest value of the point, if known."""
    # The medium that the equipment implies, such as zone air, decides between units.
    unit = infer_unit(tag.name.leaf_text, (*tag.leaf, *tag.implied), value_range)
    kind = TagKind.POINT if unit.basis is UnitBasis.NAME else _kind(tag)
    return TagDescription(tag.name.notation, kind, _nearest_equipment(tag), unit)


def _kind(tag: ReadTag) -> TagKind:
    """Return what a tag names, by its own words and not by those above it."""
    if is_point(tag.leaf):
        return TagKind.POINT
    if is_equipment(tag.leaf):
        return TagKind.EQUIPMENT
    return TagKind.PLACE if is_place(tag.leaf) else TagKind.UNKNOWN


def _nearest_equipment(tag: ReadTag) -> str:
    """Return the nearest segment that names equipment; empty if none does."""
    texts = tag.name.parent_texts or (tag.equipment_text,)
    named = zip(reversed(texts), reversed(tag.parents), strict=False)
    return next((text for text, words in named if is_equipment(words)), "")
