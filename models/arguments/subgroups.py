"""The size of the subgroups of measurements, as people state it: `three at a time`, `三个一组`."""

import re

from models.arguments.rewriting.numerals import HAN_DIGITS, NUMBER_WORDS
from models.arguments.values import Reading
from models.signature import InputField

SUBGROUP_SIZE = "subgroup_size"
_TWO_TO_TEN = "|".join(list(NUMBER_WORDS)[2:11])
_N = rf"(?P<size>\d{{1,2}}|{_TWO_TO_TEN})"
_H = r"(?<![\d.第])(?P<size>\d{1,2}|[两二三四五六七八九十])"
_THINGS = r"(?:\s+\w+){0,2}?"
_COUNTER = r"\s*[个件只片支根瓶袋盒包块张台次条枚颗]?(?:[一-鿿]{1,3}?)?"
_IN_A = r"(?:per|in (?:a|each|every|one)|to a|makes? (?:a|one|up a))"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:sub-?group|sample|group) size\s*(?:n\s*)?(?:=|:|is|was|of)?\s*{_N}\b",
        rf"(?:子组|分组|组|样本)(?:大小|容量|数量|尺寸)?\s*n?\s*(?:就是|是|为|取|=|:|按)\s*{_H}"
        r"(?![\d.组])",
        rf"\b{_N}{_THINGS}\s+(?:at a time|{_IN_A}\s+"
        r"(?:rational )?(?:sub-?group|sample|group|set|row|draw|batch|pull))\b",
        r"(?:sub-?groups?|samples?|groups?|sets?|rows?|lots)\s+(?:size\s*)?"
        rf"(?:of|with|contain(?:s|ing)?|=|:)\s*{_N}\b",
        r"(?:grouped|taken|measured|pulled|drawn|collected|sampled|checked)\s+(?:in|by)\s+"
        rf"{_N}s?\b",
        r"(?<!第)(?:每|一)(?:组|次(?:抽|取|测|量|称|检|拿|挑)?|回|轮)(?:抽|取|测|量|有|是|为|连续抽|连续取)?\s*"
        rf"{_H}(?!\.\d){_COUNTER}",
        rf"{_H}{_COUNTER}\s*(?:为|是|做|算|作|成)?(?<!子)一?(?:个子)?(?:组|一批)(?![内间])",
        rf"(?:抽|取|测)\s*{_H}{_COUNTER}(?:\(子组|为子组|作子组)",
        rf"每\s*{_H}\s*(?:个|件|pcs?|片)?\s*(?:为|是|作|做)?\s*一?个?\s*(?:子?组|sub-?group)",
        rf"按\s*{_H}{_COUNTER}\s*(?:分组|一组)",
    )
)
_PAIRS = re.compile(r"\b(?:in|as|of) pairs\b|成对|两两|duplicates\b", re.IGNORECASE)
_TRIPLES = re.compile(r"\b(?:in |as |of )?(?:triplets|triples|triplicates?)\b", re.IGNORECASE)


def read_subgroup_size(text: str, field: InputField) -> tuple[Reading, tuple[int, int]] | None:
    """Return the stated size of a subgroup and its place in a normalized text, None for none."""
    for pattern in _PATTERNS:
        match = pattern.search(text)
        value = None if match is None else _value(match["size"].lower())
        if match is not None and value is not None and value >= (field.minimum or 0):
            return Reading(SUBGROUP_SIZE, value, match[0].strip()), match.span()
    for words, size in ((_PAIRS, 2.0), (_TRIPLES, 3.0)):
        match = words.search(text)
        if match is not None:
            return Reading(SUBGROUP_SIZE, size, match[0].strip()), match.span()
    return None


def _value(word: str) -> float | None:
    """Return the number that a figure or word means."""
    if word.isdigit():
        return float(word)
    value = {**NUMBER_WORDS, **HAN_DIGITS, "十": 10}.get(word)
    return None if value is None else float(value)
