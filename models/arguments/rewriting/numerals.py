"""Rewrite numbers that are not in plain digits: number words, decimal commas, grouped thousands.

`two hundred and ten` and `二百一十` become `210`, `22,8 kN` becomes `22.8 kN`, `61 500 kWh` becomes
`61500 kWh`, `3k pcs` becomes `3000 pcs`.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

from models.arguments.notations import UNIT_PATTERN

HAN_DIGITS: Mapping[str, int] = MappingProxyType(
    dict(zip("零〇一二三四五六七八九两", (0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2), strict=True))
)
"""The value of each Chinese digit."""
_TENS: Mapping[str, int] = MappingProxyType({"十": 10, "百": 100, "千": 1000})
_SECTIONS: Mapping[str, int] = MappingProxyType({"万": 10_000, "亿": 100_000_000})
_D = "[一二三四五六七八九两]"
# In a section the powers fall, so that the second 千 of `一千千克` belongs to the unit.
_SECTION = (
    rf"(?:{_D}千(?:零?{_D}百)?(?:零?{_D}?十{_D}?|零?{_D}(?!十))?"
    rf"|{_D}百(?:零?{_D}?十{_D}?|零?{_D}(?!十))?|{_D}?十{_D}?|{_D})"
)
_HAN = re.compile(
    rf"(?<![第零〇一二三四五六七八九十百千万亿两\d.])"
    rf"(?P<whole>(?:{_SECTION}亿)?零?{_SECTION}万(?:零?{_SECTION})?|{_SECTION}亿(?:零?{_SECTION})?"
    rf"|{_SECTION}|零(?=点))"
    r"(?:点(?P<decimals>[零〇一二三四五六七八九]+)(?![十百万亿]|千(?![瓦牛克伏安帕米])))?"
    r"(?!分之|分(?!钟)(?=[感满不好重]))",
)
_UNIT = rf"\s*-?(?:{re.sub(r'[?]P<[a-z]+>', '?:', UNIT_PATTERN)})"
_UNIT_FOLLOWS = re.compile(_UNIT, re.IGNORECASE)

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_ROUND = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBER_WORDS: Mapping[str, int] = MappingProxyType(
    {word: value for value, word in enumerate(_SMALL.split())}
    | {word: 10 * value for value, word in enumerate(_ROUND.split(), start=2)}
)
"""The value of each English word below a hundred."""
_POWERS: Mapping[str, int] = MappingProxyType(
    {"hundred": 100, "thousand": 1000, "million": 1_000_000}
)
_WORD = "|".join(sorted((*NUMBER_WORDS, *_POWERS), key=len, reverse=True))
_ENGLISH = re.compile(
    rf"(?<![A-Za-z\d-])(?:{'|'.join(sorted(NUMBER_WORDS, key=len, reverse=True))})"
    rf"(?:(?:(?<=hundred|housand|million)\s+and\s+|[\s-]+)(?:{_WORD}))*"
    rf"(?:\s+point(?P<decimals>(?:\s+(?:{'|'.join(_SMALL.split()[:10])}))+))?(?![A-Za-z-])",
    re.IGNORECASE,
)
_TEN, _TWENTY, _MIN_SERIES = 10, 20, 3
_AFTER_OF = re.compile(r"(?:\bof|[=:])\s*$", re.IGNORECASE)

_GROUPS = re.compile(
    rf"(?<![A-Za-z\d.,])(?<!\d )\d{{1,3}}(?: \d{{3}})+(?=(?:,\d{{1,2}})?{_UNIT})", re.I
)
_BARE_DECIMAL = re.compile(r"(?<![\w.)\]])\.(?=\d)")
_EUROPEAN = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3})+,\d{1,2}(?![\d.,])")
# A text with `11,95` and without `11.95` writes `11,982` with a decimal comma too.
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])\d+,\d{1,2}(?![\d.,]*\d)")
_DECIMAL_POINT = re.compile(r"\d\.\d")
_THREE_DECIMALS = re.compile(r"(?<![\d.,])\d{1,3},\d{3}(?![\d.,]*\d)")
_INDIAN = re.compile(r"(?<![\d.,])\d{1,2}(?:,\d{2})+,\d{3}(?![\d,])")
# `0,355` has a decimal comma, since no group of thousands begins with 0; `1,300` has none.
_COMMA = re.compile(r"(?<![\d.,])(?:\d+,\d{1,2}|0,\d{3,6})(?![\d.,]*\d)")
_MANY = re.compile(
    r"(?<![A-Za-z0-9_.,])(?P<number>\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)\s*(?P<many>(?-i:k)(?=\s*(?:pcs?|pieces?|parts?|units?|items?"
    r"|boxes)\b)|thousand\b|million\b|dozens?\b|打(?![\d一-鿿]))",
    re.IGNORECASE,
)
# `1/2 Nm` and `3 1/4 in` are fractions, `1200/1300 rpm` are two numbers.
_FRACTION = re.compile(
    rf"(?<![\w./,])(?:(?P<whole>\d{{1,6}}) )?(?P<top>\d{{1,2}})/(?P<bottom>2|3|4|5|8|16|32|64)"
    rf"(?={_UNIT})",
    re.IGNORECASE,
)
_TIMES: Mapping[str, int] = MappingProxyType(
    {"k": 1000, "dozen": 12, "dozens": 12, "打": 12, **_POWERS}
)
# `6千件`, `2.68 千转/分`: with a unit such as 千克 the 千 belongs to the unit.
_HAN_THOUSANDS = re.compile(
    r"(?<![\d.])(?P<number>\d+(?:\.\d+)?)\s*千(?=\s*(?:余|多)?[转件个只片支根瓶箱袋盒包套台块张条把枚])"
)
# `一分半`, `2小时半`, `一个半小时`, `半小时`.
_AND_A_HALF = re.compile(
    rf"(?<!\d)(?P<number>\d+|{_D})(?:(?P<unit>分钟?|个?小时|天)半|个半(?P<later>小时|钟头|月))(?![径])"
)
_HALF = re.compile(
    r"(?<![一-鿿\d])半个?(?=小时|钟头|分钟)|(?<=[为是要约用了干跑停])半个?(?=小时|钟头|分钟)"
)
# `41 500 caps`, `23 410` at the end of a line: two numbers are not written so.
_LONE_GROUP = re.compile(
    r"(?<![\w.,])(?<!\d )(?<!\d, )\d{1,3} \d{3}(?![\d.,]*\d)(?! \d)"
    r"(?=\s*(?:$|\n|[|;)\]]|[.,](?!\d))|\s(?!and\b|or\b|to\b)[A-Za-z]{3}|\s?[一-鿿])"
)


# `每分钟1480转` is `1480转/分钟`; also `每秒转40圈`, `一分钟能出2.5方`, `一小时出120件`.
_EACH_TIME = re.compile(
    r"[每一](秒钟?|分钟?|小时|个小时|个钟头?)"
    r"(?:(?:能|可以|可|大概|约|要|应该?)?(?:出|打|抽|走|转|跑|送|做|流|生产|输送|产))?"
    r"\s*(\d+(?:\.\d+)?)\s*"
    r"(立方米|立方|升|方|圈|转(?![矩速])|[个件只台片包箱瓶支根袋盒套枚罐张块条双把])"
)
_HOURS_JOINED = re.compile(r"(?<=\d)(?:hr?|小时)(?=\d{1,2}\s*(?:min|分))", re.IGNORECASE)


def with_plain_numbers(text: str) -> str:
    """Return a normalized text with its numbers in digits and decimal points."""
    text = _HOURS_JOINED.sub(lambda match: f"{match[0]} ", text)
    text = _HALF.sub("0.5", _AND_A_HALF.sub(_and_a_half, text))
    text = _HAN.sub(_from_han, text)
    text = _HAN_THOUSANDS.sub(lambda match: _scaled(match["number"], 1000), text)
    text = _EACH_TIME.sub(_from_each_time, text)
    text = _ENGLISH.sub(_from_english, text)
    text = _BARE_DECIMAL.sub("0.", text)
    if _DECIMAL_COMMA.search(text) and not _DECIMAL_POINT.search(text):
        text = _THREE_DECIMALS.sub(lambda match: match[0].replace(",", "."), text)
    text = _INDIAN.sub(lambda match: match[0].replace(",", ""), text)
    text = _EUROPEAN.sub(lambda match: match[0].replace(".", "").replace(",", "."), text)
    text = _FRACTION.sub(_from_fraction, text)
    text = _GROUPS.sub(lambda match: match[0].replace(" ", ""), text)
    text = _LONE_GROUP.sub(lambda match: match[0].replace(" ", ""), text)
    text = _COMMA.sub(lambda match: match[0].replace(",", "."), text)
    return _MANY.sub(_from_many, text)


def _from_each_time(match: "re.Match[str]") -> str:
    """Return a rate with its time behind it."""
    return f"{match[2]}{match[3]}/{match[1].removeprefix('个')}"


def _from_han(match: "re.Match[str]") -> str:
    """Return a Chinese number in digits; a single one only as decimal or before a unit."""
    whole, decimals = match["whole"], match["decimals"] or ""
    is_word = len(whole) == 1 and not decimals
    if is_word and (whole == "一" or not _UNIT_FOLLOWS.match(match.string, match.end())):
        return match[0]
    fraction = "".join(str(HAN_DIGITS[one]) for one in decimals)
    return f"{_han_value(whole)}.{fraction}" if fraction else str(_han_value(whole))


def _han_value(text: str) -> int:
    """Return the value of a Chinese number without decimals; `三百五` is 350."""
    total = section = digit = 0
    last_power = 1
    for one in text:
        if one in HAN_DIGITS:
            digit = HAN_DIGITS[one]
            last_power = 10 if one in "零〇" else last_power
        elif one in _TENS:
            section += (digit or 1) * _TENS[one]
            digit, last_power = 0, _TENS[one]
        else:
            total += (section + digit) * _SECTIONS[one]
            section, digit, last_power = 0, 0, _SECTIONS[one]
    return total + section + digit * max(1, last_power // 10)


def _from_english(match: "re.Match[str]") -> str:
    """Return English number words in digits; those below ten only beside a unit or after `of`.

    Words that make several numbers are a series, in which each counts: `nine thirteen eleven`.
    """
    words = re.findall(r"[a-z]+", match[0].lower().partition(" point")[0])
    words = [one for one in words if one != "and"]
    numbers = _split_numbers(words)
    if len(numbers) > 1:
        return _from_series(match, numbers)
    value = _english_value(words)
    decimals = _decimals(match)
    has_unit = _UNIT_FOLLOWS.match(match.string, match.end()) is not None
    is_stated = has_unit or _AFTER_OF.search(match.string, 0, match.start()) is not None
    if not decimals and ((not is_stated and value < 10) or value == 1):
        return match[0]
    return f"{value}.{decimals}" if decimals else str(value)


def _decimals(match: "re.Match[str]") -> str:
    """Return the digits after `point`, empty for none."""
    words = (match["decimals"] or "").lower().split()
    return "".join(str(NUMBER_WORDS[one]) for one in words)


def _from_series(match: "re.Match[str]", numbers: list[list[str]]) -> str:
    """Return several English numbers in a row in digits; two alone stay words, as `two three`.

    Two are one that is spoken by its hundreds: `seventeen seventy rpm`, `twenty two fifty four`.
    """
    first, second = (_english_value(one) for one in numbers[:2])
    has_unit = _UNIT_FOLLOWS.match(match.string, match.end()) is not None
    is_spoken = len(numbers) == 2 and first < 100 and _TEN <= second < 100
    if is_spoken and (has_unit or first > _TEN):
        return str(first * 100 + second)
    values = [str(_english_value(one)) for one in numbers]
    decimals = _decimals(match)
    if decimals:
        values[-1] = f"{values[-1]}.{decimals}"
    is_series = len(values) >= _MIN_SERIES or all(len(one) > 1 for one in values)
    return ", ".join(values) if is_series else match[0]


def _split_numbers(words: list[str]) -> list[list[str]]:
    """Return the words of each number: only a digit goes on after `twenty`."""
    numbers: list[list[str]] = []
    for word in words:
        before = numbers[-1][-1] if numbers else ""
        goes_on = word in _POWERS or before in _POWERS
        if not goes_on and NUMBER_WORDS.get(before, 0) >= _TWENTY:
            goes_on = 0 < NUMBER_WORDS[word] < _TEN
        if numbers and goes_on:
            numbers[-1].append(word)
        else:
            numbers.append([word])
    return numbers


def _english_value(words: list[str]) -> int:
    """Return the value of number words in their order."""
    total = part = 0
    for word in words:
        if word == "hundred":
            part = (part or 1) * 100
        elif word in _POWERS:
            total += (part or 1) * _POWERS[word]
            part = 0
        else:
            part += NUMBER_WORDS[word]
    return total + part


def _from_fraction(match: "re.Match[str]") -> str:
    """Return a proper fraction, with the whole number before it, in digits."""
    top, bottom = int(match["top"]), int(match["bottom"])
    if not 0 < top < bottom:
        return match[0]
    return f"{int(match['whole'] or 0) + top / bottom:.12g}"


def _from_many(match: "re.Match[str]") -> str:
    """Return a number with its multiple in digits."""
    return _scaled(match["number"].replace(",", ""), _TIMES[match["many"].lower()])


def _scaled(number: str, factor: int) -> str:
    """Return a multiple of a number in digits."""
    return f"{float(Fraction(number) * factor):.12g}"


def _and_a_half(match: "re.Match[str]") -> str:
    """Return `一分半` as `1.5分`."""
    number = match["number"]
    whole = int(number) if number.isdigit() else HAN_DIGITS[number]
    return f"{whole}.5{match['unit'] or match['later']}"
