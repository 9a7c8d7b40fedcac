"""Propose which columns of a table are the inputs of a ready-made model, by names, units, ranges.

Names are compared by their words, with abbreviations, German and Chinese terms expanded by the
lexicon of tag alignment. A proposal is for confirmation: nothing is computed from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.signature import BYTES, InputField, Signature
from models.tables.headers import split_unit
from models.tag_align.aligner import ARTEFACT
from models.tag_align.naming import Lexicon, Words, build_lexicon, split_words, without_numbers
from models.tag_align.vocabulary import read
from models.units import UnitMismatch, UnitUnknown, unit_conversion

_MIN_SIMILARITY = 0.5
# Inputs that have to be found for a model to be proposed.
MIN_FOUND = 0.5
# Names that differ only in a number, such as `PS1` and `PS2`, are told apart by it.
_OTHER_NUMBER = 0.4


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column of a file or a point: its unit, and the range of its numbers, None for texts.

    `other_names` are further names of the same column, such as a description or a concept.
    """

    name: str
    is_text: bool
    unit: str | None
    bounds: tuple[float, float] | None
    other_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MappingProposal:
    """A ready-made model with the columns that can be its inputs.

    columns: by input. missing: required inputs without a column.
    """

    model: str
    columns: Mapping[str, str]
    missing: tuple[str, ...]

    @property
    def is_likely(self) -> bool:
        """Whether enough inputs were found for the model to be of use."""
        return len(self.columns) >= max(1, MIN_FOUND * (len(self.columns) + len(self.missing)))


def read_lexicon() -> Lexicon:
    """Return the abbreviations and foreign terms of tag alignment. Takes tens of milliseconds."""
    return build_lexicon(read(ARTEFACT).abbreviations)


def propose_mapping(
    model: str,
    signature: Signature,
    columns: Sequence[FileColumn],
    lexicon: Lexicon,
    with_series: bool = False,
    min_similarity: float = _MIN_SIMILARITY,
) -> MappingProposal:
    """Return the most similar column for each input of a model, each column once.

    with_series: whether a column can be an input that takes a series. min_similarity: the least
    share of common words, 0 to 1.
    """
    pairs = [
        (similarity, field.name, column.name)
        for field in signature.inputs
        for column in columns
        if (with_series or field.length is None)
        and _is_possible(field, column)
        and (similarity := _similarity(field, column, lexicon)) >= min_similarity
    ]
    chosen: dict[str, str] = {}
    for _, name, column_name in sorted(pairs, key=lambda pair: -pair[0]):
        if name not in chosen and column_name not in chosen.values():
            chosen[name] = column_name
    ordered = {field.name: chosen[field.name] for field in signature.inputs if field.name in chosen}
    missing = (one.name for one in signature.inputs if not one.optional and one.name not in chosen)
    return MappingProposal(model, ordered, tuple(missing))


def _is_possible(field: InputField, column: FileColumn) -> bool:
    """Whether a column can be an input: its type, the quantity of its unit, and its range."""
    if column.is_text != (field.datatype == BYTES):
        return False
    bounds = np.array(column.bounds or (np.nan, np.nan))  # comparisons with NaN are false
    if field.unit is not None and column.unit is not None:
        try:
            convert = unit_conversion(column.unit, field.unit)
        except (UnitMismatch, UnitUnknown):
            return False
        bounds = convert(bounds)
    low, high = bounds
    is_above = field.maximum is not None and bool(low > field.maximum)
    is_below = field.minimum is not None and bool(high < field.minimum)
    return not is_above and not is_below


def _similarity(field: InputField, column: FileColumn, lexicon: Lexicon) -> float:
    """Return how similar the names are, 0 to 1, by the most similar name of the column."""
    names = (split_unit(column.name)[0], *column.other_names)
    return max(_name_similarity(field.name, name, lexicon) for name in names)


def _name_similarity(field_name: str, column_name: str, lexicon: Lexicon) -> float:
    """Return the share of common words of two names (Dice)."""
    of_field, of_column = split_words(field_name), split_words(column_name)
    if of_field == of_column:
        return 1.0
    first, second = _meaning(of_field, lexicon), _meaning(of_column, lexicon)
    common = 2 * len(first & second) / max(1, len(first) + len(second))
    return common * (1.0 if _numbers(of_field) == _numbers(of_column) else _OTHER_NUMBER)


def _meaning(words: Words, lexicon: Lexicon) -> frozenset[str]:
    """Return the English words of a name, without numbers."""
    return frozenset(without_numbers(lexicon.expand(words)))


def _numbers(words: Words) -> tuple[str, ...]:
    """Return the numbers of a name."""
    return tuple(word for word in words if word.isdigit())
