"""How many tokens of an embedding model a text has, for cutting it.

Owns counting by the model's own tokenizer where its package is here, and an estimate where it is
not, which errs on the long side.
"""

import re
from collections.abc import Callable

from models.catalog import Model
from models.multilingual import EncoderMissing, load_encoder

Count = Callable[[str], int]
_PIECE = re.compile(r"(?P<word>[^\W\d_\u2e80-\U0003ffff]+)|(?P<code>[^\W\u2e80-\U0003ffff]+)|\S")
_LETTERS, _CODE = 4, 1.2


def counter_of(model: Model) -> Count:
    """Counts without what frames a text."""
    if model.weights.kind != "encoder-package":
        return estimated
    try:
        encoder = load_encoder()
    except EncoderMissing:
        return estimated
    frame = encoder.tokens("")
    return lambda text: encoder.tokens(text) - frame


def estimated(text: str) -> int:
    """A token for four letters, nearly one for each character of a number or a code, and one for
    each other character."""
    tokens = 0
    for found in _PIECE.finditer(text):
        each = _LETTERS if found["word"] else _CODE
        tokens += -int(-len(found[0]) // each)
    return tokens
