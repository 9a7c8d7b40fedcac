"""Questions for the newest value of points: the tags that a text may have, and whether it asks so.

text -> candidate tags -> (looked up in the plant) -> the words that are left ask for a value
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache

from gateway.plant.questions.words import load_words, plain_text
from models.languages import CJK

MAX_CANDIDATES = 400
_MAX_TAG = 200
_RUN = re.compile(r"[^\s,;，；。?？!！、\"'“”‘’「」]+")
_QUOTED = re.compile(r"[\"“‘「']([^\"”’」']{1,200})[\"”’」']")
_ASCII = re.compile(r"[\x21-\x7e]+")
_ENGLISH = re.compile(r"[a-z]+(?:'[a-z]+)?")
_HAN = re.compile(rf"[{CJK}]+")


def candidate_tags(text: str) -> list[str]:
    """Return the parts of a text that may be tags, each once, as written and in other case.

    Chinese words may follow a tag without a space, so that each beginning of a run is one.
    """
    found: dict[str, None] = dict.fromkeys(_QUOTED.findall(text))
    for run in _RUN.findall(text):
        found |= dict.fromkeys([run, *_ASCII.findall(run)])
        if _HAN.search(run):
            found |= dict.fromkeys(run[:end] for end in range(len(run), 1, -1))
    stripped = (one.strip(" .:()（）") for one in found)
    tags = [one for one in dict.fromkeys(stripped) if 1 < len(one) <= _MAX_TAG]
    others = (other for one in tags for other in (one.upper(), one.lower()))
    return list(dict.fromkeys([*tags, *others]))[:MAX_CANDIDATES]


def named_tags(text: str, known: Iterable[str]) -> tuple[list[str], str]:
    """Return the tags that a text names, longest first, and the text without them."""
    named = []
    rest = text
    for tag in sorted(known, key=len, reverse=True):
        at = rest.casefold().find(tag.casefold())
        if at >= 0 and len(rest.casefold()) == len(rest):
            named.append(tag)
            rest = f"{rest[:at]} {rest[at + len(tag) :]}"
    return named, rest


def asks_newest(rest: str) -> bool:
    """Whether the words of a question, without its tags, ask for the newest value and no more."""
    plain = plain_text(rest)
    if re.search(r"\d", plain):
        return False
    words, runs = _ENGLISH.findall(plain), _HAN.findall(plain)
    asked, others = load_words().particles["newest"], load_words().particles["beside_newest"]
    says = any(word in asked for word in words) or any(
        one in run for run in runs for one in asked if _HAN.search(one)
    )
    is_known = all(word in asked or word in others for word in words)
    return says and is_known and all(_chinese(asked + others).fullmatch(run) for run in runs)


@cache
def _chinese(words: Sequence[str]) -> re.Pattern[str]:
    """Return the pattern of texts that consist of Chinese words among these."""
    chinese = sorted((one for one in words if _HAN.search(one)), key=len, reverse=True)
    return re.compile(f"(?:{'|'.join(map(re.escape, chinese))})+")
