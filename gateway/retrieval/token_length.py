"""Count the tokens that an embedding model reads in a text.

Uses the model's tokenizer if its package is installed, otherwise an estimate that errs on the high
side.
"""

import re
from collections.abc import Callable

from models.multilingual import EncoderMissing, load_encoder

TokenCounter = Callable[[str], int]
_SEGMENT = re.compile(r"(?P<word>[^\W\d_\u2e80-\U0003ffff]+)|(?P<code>[^\W\u2e80-\U0003ffff]+)|\S")
_LETTERS_PER_TOKEN, _CODE_CHARACTERS_PER_TOKEN = 4, 1.2


def token_counter(weights_kind: str) -> TokenCounter:
    """Return a function that counts a text's tokens, without the model's special tokens.

    `weights_kind` is the kind of the model's weights in the catalog.
    """
    if weights_kind != "encoder-package":
        return estimate_tokens
    try:
        encoder = load_encoder()
    except EncoderMissing:
        return estimate_tokens
    special_tokens = encoder.tokens("")
    return lambda text: encoder.tokens(text) - special_tokens


def estimate_tokens(text: str) -> int:
    """Return an upper estimate of the token count.

    One token per 4 letters, per 1.2 characters of a number or code, and per other character.
    """
    tokens = 0
    for match in _SEGMENT.finditer(text):
        per_token = _LETTERS_PER_TOKEN if match["word"] else _CODE_CHARACTERS_PER_TOKEN
        tokens += -int(-len(match[0]) // per_token)
    return tokens
