"""All rewriting of a text, kept for the specialists that read the same one."""

from functools import lru_cache

from models.arguments.quantities import Quantity, find_quantities
from models.arguments.rewriting.assignments import with_plain_assignments
from models.arguments.rewriting.numerals import with_plain_numbers
from models.arguments.rewriting.phrasing import with_plain_fractions, with_plain_phrases
from models.arguments.rewriting.spelling import with_right_spelling

# Prose longer than this is a document, in which a number beside a word is no input.
_MAX_PROSE = 20_000
# A request is read for some ten specialists, one after the other.
_KEPT = 32


@lru_cache(maxsize=_KEPT)
def plain_prose(text: str, has_tags: bool) -> tuple[str, tuple[Quantity, ...]]:
    """Return a normalized text in plain form, cut at a bound, and its quantities.

    With `has_tags` names stay as they are written.
    """
    plain = with_plain_numbers(with_plain_fractions(text[:_MAX_PROSE]))
    if not has_tags:
        plain = with_right_spelling(with_plain_assignments(with_plain_phrases(plain)))
    return plain, find_quantities(plain)
