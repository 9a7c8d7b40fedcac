"""Whether a text may be a question about a plant, by the shared words alone, without a database."""

import re

from gateway.plant.questions.asked_quantity import asks_value
from gateway.plant.questions.words import TokenKind, load_words, tokens_of

# A longer text is no short question.
_MAX_LENGTH = 300
# What a tag or the code of a machine looks like: letters, then a digit.
_CODE = re.compile(r"[A-Za-z][A-Za-z_./-]{0,20}\d")
# Words that say nothing about a plant by themselves.
_COMMON = frozenset({"occurred", "possible", "above", "below", "without"})


def may_ask_plant(text: str) -> bool:
    """Return whether a text has a word of questions and a thing, event or quantity of plants.

    A question for a value may name a tag instead.
    """
    if len(text) > _MAX_LENGTH:
        return False
    tokens = tokens_of(text)
    has_term = any(one.kind is TokenKind.TERM for one in tokens)
    frames = {one.value for one in tokens if one.kind is TokenKind.FRAME} - _COMMON
    asks = any(word in text.lower() for word in load_words().particles["asking"])
    return (has_term and (bool(frames) or asks)) or may_ask_value(text)


def may_ask_value(text: str) -> bool:
    """Return whether a text may ask for the value of a point: by a quantity, or by a code."""
    if len(text) > _MAX_LENGTH or not asks_value(text):
        return False
    quantities = load_words().particles["quantities"]
    has_quantity = any(
        one.kind is TokenKind.TERM and one.value in quantities for one in tokens_of(text)
    )
    return has_quantity or _CODE.search(text) is not None
