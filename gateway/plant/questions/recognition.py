"""Whether a text may be a question about a plant, by the shared words alone, without a database."""

from gateway.plant.questions.words import TokenKind, load_words, tokens_of

# A longer text is no short question.
_MAX_LENGTH = 300
# Words that say nothing about a plant by themselves.
_COMMON = frozenset({"occurred", "possible", "above", "below", "without"})


def may_ask_plant(text: str) -> bool:
    """Return whether a text has a word of questions and a thing or event of plants."""
    if len(text) > _MAX_LENGTH:
        return False
    tokens = tokens_of(text)
    has_term = any(one.kind is TokenKind.TERM for one in tokens)
    frames = {one.value for one in tokens if one.kind is TokenKind.FRAME} - _COMMON
    asks = any(word in text.lower() for word in load_words().particles["asking"])
    return has_term and (bool(frames) or asks)
