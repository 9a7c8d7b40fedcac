"""Optional inputs that a table lacks, where an unused column has nearly the same name."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import islice

from models.sentences import Sentence, sentence
from models.tables.model_names import header_meaning

# What a call chooses, beside the columns: trained models have no column of these names.
SETTINGS = frozenset({"horizon", "level", "sensitivity", "state"})
# One letter of nine may be another one, or be left out: `torqe`, `temprature`.
_MIN_SIMILARITY = 0.88
# Each input is compared with up to 1,000 headers, which takes about 10 ms.
_MAX_COMPARED, _MAX_NOTES = 20, 3
_DIGITS = re.compile(r"\d+")


def notes_on_similar(lacking: Iterable[str], unused: Sequence[str]) -> tuple[Sentence, ...]:
    """Return notes on inputs that a table lacks and that unused columns of it may be.

    At most three. Names are compared without letter case and units, and with the same digits:
    `sensor_2` is no misspelt `sensor_1`.
    """
    names = sorted(set(lacking) - SETTINGS)[:_MAX_COMPARED]
    return tuple(islice(_notes(names, unused), _MAX_NOTES))


def _notes(lacking: Iterable[str], unused: Iterable[str]) -> Iterator[Sentence]:
    """Yield a note on each input to which an unused header is similar."""
    headers = {header_meaning(header): header for header in unused}
    for name in lacking:
        meaning = header_meaning(name)
        digits = _DIGITS.findall(meaning)
        candidates = [one for one in headers if _DIGITS.findall(one) == digits]
        for nearest in get_close_matches(meaning, candidates, 1, _MIN_SIMILARITY):
            yield sentence(
                "The table has no column {name}, and its column {header} is not used: if they are "
                "the same, rename it.",
                name=repr(name),
                header=repr(headers[nearest]),
            )
