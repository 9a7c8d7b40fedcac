"""The sentences of a request, each of which may ask for a task of its own."""

import re

_MAX_SENTENCES, _MIN_LENGTH = 8, 6
_ENDS = re.compile(
    r"[。？！；;\n]+|[?!](?=\s|$)|\.\s+(?=[A-Z])|[①-⑨]|(?:(?<=\s)|^)\(?\d\)\s"
    r"|,?\s+(?:-\s+)?and\s+(?=(?:also|what|how|the|its|is|then|cpk|oee|l10)\b)|另外|此外|以及|还有|同时",
    re.IGNORECASE,
)
_TRANSLATE = re.compile(
    r"\W*(?:(?:please|could you|can you|kindly|请|帮我|帮忙|麻烦)\s*)*"
    r"(?:translate|翻译|把.{1,400}翻译)",
    re.IGNORECASE | re.DOTALL,
)


def split_sentences(text: str) -> tuple[str, ...]:
    """Return the sentences and items of a text that are long enough to ask for something."""
    parts = (part.strip() for part in _ENDS.split(text))
    return tuple(part for part in parts if len(part) >= _MIN_LENGTH)[:_MAX_SENTENCES]


def is_translation_request(text: str) -> bool:
    """Return whether a text begins by asking for a translation: its readings are no question."""
    return _TRANSLATE.match(text) is not None
