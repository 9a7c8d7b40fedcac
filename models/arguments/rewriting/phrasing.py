"""Rewrite phrases in which names, numbers and units stand in an unusual order.

`fluid weight ..... 8.6 lb` becomes `fluid weight: 8.6 lb`, `一方1.18吨` becomes `1.18吨/立方米`,
`.749 min .751 max` becomes `min .749, max .751`. The digits are plain (numerals.py).
"""

import re
from collections.abc import Callable

from models.arguments.quantities import is_unit
from models.arguments.rewriting.numerals import NUMBER_WORDS

_N = r"(?<![\d.])[-+]?(?:\d+(?:\.\d+)?|\.\d+)"
_VOLUME = "立方米|立方|方|升"
_MASS = "公斤|千克|吨|克|kg|t|g"
_COUNTER = "个|件|只|台|片|包|箱|瓶|支|根|袋|盒|套|枚|罐|张|块|条|双|把"
_Rule = tuple[re.Pattern[str], str | Callable[["re.Match[str]"], str]]


def _rule(pattern: str, replacement: str | Callable[["re.Match[str]"], str]) -> _Rule:
    """Return a rule without regard to case."""
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE), replacement


_PARTS = {"half": 0.5, "quarter": 0.25, "three quarters": 0.75}


def _from_part(match: "re.Match[str]") -> str:
    """Return a number and a part of one in digits."""
    word = match[1].lower()
    whole = int(word) if word.isdigit() else NUMBER_WORDS[word]
    return f"{whole + _PARTS[match[2].lower()]:g}"


def _without_explanation(match: "re.Match[str]") -> str:
    """Return nothing for a conversion of one unit to another, anything else as it is."""
    return " " if is_unit(match[1]) and is_unit(match[2]) else match[0]


_RULES: tuple[_Rule, ...] = (
    # `1 kWh = 3.6 MJ` explains a unit; `pump 1 flow = 20 m3` states a value.
    _rule(
        rf"[(\[,;]?\s*\b1\s?([A-Za-z·*/³²]{{1,8}})\s*(?:=|is|equals)\s*{_N}\s?"
        r"([A-Za-z·*/³²]{1,8})\s*[)\]]?",
        _without_explanation,
    ),
    _rule(rf"[(（]?\s*1\d?\s*[打箱盒包]?\s*(?:=|是|为)\s*{_N}\s*[件个只支瓶]\s*[)）]?", " "),
    _rule(r"1\s*-\s*(?:α|alpha)\s*=\s*", ""),
    _rule(r"(σ|sigma)_?\s?x?[\u0304\u0305]?(?:[-_]?bar)?(?=\s*[=:≈])", r"\1"),
    _rule(r"(?<=\d)[avw](?![A-Za-z0-9])", lambda match: match[0].upper()),
    _rule(
        r"[ \t]*(?<![.…_·-])(?:\.{3,}+|…++|_{3,}+|·{3,}+|-{3,}+)[ \t]*"
        r"(?=[-+]?\.?\d|[A-Z](?![A-Za-z]))",
        ": ",
    ),
    # A note between a name and its number: `s (plotted points): 2.1`.
    _rule(r"(?<=[A-Za-z一-鿿σ])\s?\([^()\d\[\]]{1,40}\)(?=\s*[:=]\s*[-+.\d])", ""),
    _rule(
        rf"({_N})\s*(min|max)(?:imum)?\b([\s,;/&-]|and)+({_N})\s*(?!\2)(min|max)(?:imum)?\b",
        r"\2 \1, \5 \4",
    ),
    _rule(r"(?<![\d.])(\d+)\s?(度|米|公斤|吨|方|升|安|千瓦|块)半(?![径年天])", r"\1.5\2"),
    # `spins 1,900 a minute`, `14 cubic metres of it an hour`
    _rule(
        r"\b(spins?|turns?|runs?|rotates?|revolves?)(\s+(?:at\s+)?)(\d[\d,]*)\s+(?:times\s+)?"
        r"(?:a|per|each|every|in (?:a|the|one))\s+minute\b",
        r"\1\2\3 rpm",
    ),
    _rule(
        r"(cubic met(?:er|re)s|m3|lit(?:er|re)s|gallons)\s+of \w+\s+(?:an?|per|each|every)\s+"
        r"(hour|minute|second)\b",
        r"\1 per \2",
    ),
    # `24.98 (lower) and 25.02 (upper)`
    _rule(
        rf"({_N}(?:\s?[A-Za-z%°μ]{{1,4}})?)\s*\((lower|upper|min|max|minimum|maximum|planned|actual|[上下]限|计划|实际|良品|合格)\)",
        r"\2 \1",
    ),
    _rule(r"(?<=\d)\s?h(?:rs?|ours?)?\s?(\d{1,2})\s?m(?![A-Za-z\d])", r" h \1 min"),
    _rule(
        r"(?<=\d)\s*个(?=千瓦|兆瓦|瓦|马力|兆帕|公斤|千克|吨|安|伏|立方|方|升|度|牛)",
        "",
    ),
    # A density: `一方1.18吨`, `每升0.87公斤`.
    _rule(
        rf"[一每]({_VOLUME})(?:液体|介质|水|油)?(?:重|是|为|约|合|有|大概)?\s*({_N})\s*({_MASS})(?![A-Za-z])",
        r"\2\3/\1",
    ),
    # `每百件86度` is 86度 for a hundred pieces.
    _rule(
        rf"每\s*(千|百|万|1000|100)\s*({_COUNTER})[一-鿿]{{0,2}}?(?:耗电|用电|耗能|电耗)?(?:为|是|约|要|需|:)?\s*({_N})\s*"
        r"(度电|度|千瓦时|kWh|MJ|兆焦|MWh)",
        r"\3\4/\1\2",
    ),
)
_ONE_TO_TWELVE = "|".join(list(NUMBER_WORDS)[1:13])
_AND_A_PART = re.compile(
    rf"\b(\d{{1,4}}|{_ONE_TO_TWELVE}) and (?:an? )?(half|quarter|three quarters)\b", re.IGNORECASE
)
_DIGIT_WORDS = "|".join(("oh", *list(NUMBER_WORDS)[:10]))
_NO_NUMBER_BEFORE = "".join(
    f"(?<!{end} )" for end in (*_DIGIT_WORDS.split("|"), "ten", "teen", "ty", "eleven", "twelve")
)
_BARE_POINT = re.compile(rf"{_NO_NUMBER_BEFORE}\bpoint(?= (?:{_DIGIT_WORDS})\b)", re.IGNORECASE)
_HOUR_AND_A_HALF = re.compile(r"\b(?:an|one) hour and a half\b", re.IGNORECASE)
_HALF_AN_HOUR = re.compile(r"(?<!and )\b(?:half an hour|half hour)\b", re.IGNORECASE)
_WEEKDAY = re.compile(
    r"\b(?:next week\s+)?(?:mon|tues?|wed|thu|thurs?|fri|sat|sun)"
    r"(?:day|nesday|rsday|urday|sday)?\b\.?\s*:?\s*"
    r"(?=[-+]?\d)|(?:[上下]?(?:周|星期|礼拜))[一二三四五六日天]\s*:?\s*(?=[-+]?\d)",
    re.IGNORECASE,
)
_MIN_WEEKDAYS = 3


def with_plain_fractions(text: str) -> str:
    """Return a text in which `eight and a quarter` is 8.25 and `point eight six` 0.86."""
    text = _HOUR_AND_A_HALF.sub("1.5 hours", _HALF_AN_HOUR.sub("0.5 hours", text))
    text = _AND_A_PART.sub(_from_part, text)
    return _BARE_POINT.sub("zero point", text)


def with_plain_phrases(text: str) -> str:
    """Return a normalized text with plain digits and its phrases rewritten."""
    text = _AND_A_PART.sub(_from_part, text)  # `seventeen and a half` is `17 and a half` by now
    if len(_WEEKDAY.findall(text)) >= _MIN_WEEKDAYS:  # the days of a series
        text = _WEEKDAY.sub("", text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
