"""Items of a family: documents on the VK7-22 and the VK7-55 do not answer for a VK7-90.

A small model answers a question about an item that the documents lack with the figures of another
item of its family. Two names are of one family if they differ in their numbers (`E-27` and `E-31`,
`3 号机` and `5 号机`), in a stem (`甲区` and `丙区`) or in a single capital letter after the same
word (`夹紧 B` and `夹紧 C`).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.grounding.figures import find_codes, normalize
from models.grounding.words import compact
from models.languages import HAN

_NUMBERS = re.compile(r"\d+")
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
_NUMBERED = re.compile(
    rf"(?P<number>(?<!\d)\d{{1,12}}|[一二三四五六七八九十])\s*(?P<word>号机|号线|号炉|号站|号泵|线(?![{HAN}]?(?:路|性|圈))|号)|"
    r"\b(?P<english>line|machine|press|unit|station|booth|cell|pump|furnace|robot|oven)\s+(?P<of>\d+)\b",
    re.IGNORECASE,
)
# Not `should I`.
_LETTERED = re.compile(
    rf"(?:(?P<word>[{HAN}]{{2}})\s?(?P<letter>[A-Z])|\b(?P<english>[A-Za-z]{{4,}})\s(?P<of>[A-HJ-Z]))"
    r"(?![A-Za-z0-9])"
)
_STEMMED = re.compile(r"(?P<stem>[甲乙丙丁])\s?(?P<word>区|班|线|组|站|库)")
_CHINESE_DIGITS = dict(zip("一二三四五六七八九十", map(str, range(1, 11)), strict=True))
# `E-20 to E-29` has all codes between the two; `VK7-22/55/90` has three.
_RANGE = re.compile(r"^\s*(?:to|-|–|—|~|～|至|到|…|\.{2,3})\s*$")
_MORE_NUMBERS = re.compile(r"(?:\s*(?:/|、|,|，|and|or|和|与|或)\s*\d+(?!\d|\.\d))+")


@dataclass(frozen=True, slots=True)
class Item:
    """A name in its form for comparison: the family, and what distinguishes the item in it."""

    family: str
    member: str


def lacks_asked_item(question: str, passages: Sequence[str]) -> bool:
    """Whether the question names an item that no passage has, while one has a sibling of it."""
    asked = find_items(question)
    if not asked:
        return False
    known = frozenset(item for passage in passages for item in _items_with_lists(passage))
    families = {item.family for item in known}
    text = "\n".join(compact(passage) for passage in passages)
    return any(
        item not in known and item.family in families and not _is_written(item, text)
        for item in asked
    )


def _is_written(item: Item, text: str) -> bool:
    """Whether a compact text has the item's code, also as the beginning of a longer one."""
    parts = iter(item.member.split(","))
    code = re.sub("#", lambda _: next(parts, ""), item.family)
    return "|" not in item.family and code in text


def find_items(text: str) -> frozenset[Item]:
    """Return the items that a text names."""
    return frozenset((*_coded(find_codes(text)), *_numbered(text), *_lettered(text)))


def _items_with_lists(text: str) -> Iterable[Item]:
    """Return the items that a passage names, with those of its lists and ranges."""
    yield from find_items(text)
    yield from _listed(text)
    yield from _between(text)


def _coded(codes: Iterable[str]) -> Iterable[Item]:
    """Return the items of codes, such as family `vk#` with `790` for `VK7-90`."""
    for code in map(compact, codes):
        yield Item(_NUMBERS.sub("#", code), ",".join(_NUMBERS.findall(code)))


def _numbered(text: str) -> Iterable[Item]:
    """Return the items with a number or a stem, such as `3 号机`, `line 2` and `丙区`."""
    for match in _NUMBERED.finditer(normalize(text)):
        word = match["word"] or match["english"]
        number = match["number"] or match["of"]
        yield Item(f"|{word}", _CHINESE_DIGITS.get(number, number))
    for match in _STEMMED.finditer(text):
        yield Item(f"|{match['word']}", match["stem"])


def _lettered(text: str) -> Iterable[Item]:
    """Return the items with a single capital letter, such as `夹紧 C`."""
    for match in _LETTERED.finditer(text):
        word = match["word"] or match["english"].lower()
        yield Item(f"|{word}", match["letter"] or match["of"])


def _listed(text: str) -> Iterable[Item]:
    """Return the codes of lists that write the common part once, such as `VK7-22/55 or 90`."""
    normal = normalize(text)
    for code in find_codes(text):
        first, *others = code.split("/")
        for place in re.finditer(re.escape(code), normal):
            more = _MORE_NUMBERS.match(normal, place.end())
            others += _NUMBERS.findall(more[0]) if more else ()
        numbers = (other for other in others if other.isdecimal())
        yield from _coded([first, *(_LAST_NUMBER.sub(number, first) for number in numbers)])


def _between(text: str) -> Iterable[Item]:
    """Return the codes of ranges, such as `E-20 to E-29`, of at most a thousand codes."""
    normal, end = normalize(text), 0
    previous: str | None = None
    for code in find_codes(text):
        start = normal.find(code, end)
        if previous is not None and _RANGE.match(normal[end:start]):
            yield from _coded(_range(previous, code))
        previous, end = code, start + len(code)


def _range(first: str, last: str) -> Iterable[str]:
    """Return the codes from one to another that differ in their last number only."""
    low, high = (_NUMBERS.findall(code)[-1] for code in (first, last))
    stem = _LAST_NUMBER.sub("#", first)
    if stem != _LAST_NUMBER.sub("#", last) or not int(low) <= int(high) < int(low) + 1_000:
        return ()
    return (
        stem.replace("#", str(number).zfill(len(low))) for number in range(int(low), int(high) + 1)
    )
