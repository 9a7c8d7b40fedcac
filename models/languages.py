"""The language of a text, by its script: Chinese or English."""

import re

# CJK ideographs, as a range of a regular expression's character class.
HAN = r"\u3400-\u9fff"
# Characters of Chinese, Japanese and Korean, whose words are not separated reliably by spaces.
CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_HAN_CHARACTER = re.compile(f"[{HAN}]")


def is_chinese(text: str) -> bool:
    """Return whether a text has a Chinese character."""
    return _HAN_CHARACTER.search(text) is not None


def language_of(text: str) -> str:
    """Return `zh` if the text has a Chinese character, else `en`."""
    return "zh" if is_chinese(text) else "en"
