"""Find figures with their units in a text, in one notation for English and Chinese.

`1,500 小时`, `1500 h` and `1500 hours` are the figure 1500 with the unit h. Of a range such as
`5–10 °C`, both figures have its unit. Number words count as figures of a passage, which may support
an answer's digits, but not as figures of an answer: `one` is often no figure.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# Notations of a unit, beside the unit itself; longer ones first where one contains another.
_UNIT_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "°c": ("degrees celsius", "degree celsius", "deg c", "degc", "摄氏度", "度c"),
        "%": ("per cent", "percent"),
        "r/min": ("revolutions per minute", "rev/min", "转/分钟", "转每分", "转/分", "rpm"),
        "mm/s": ("毫米/秒", "毫米每秒"),
        "m³/min": ("m3/min", "立方米/分钟", "立方米每分钟", "立方/分"),
        "m³/h": ("m3/h", "立方米/小时", "立方米每小时"),
        "m³": ("m3", "立方米"),
        "m²": ("m2", "平方米"),
        "mm²": ("mm2", "平方毫米"),
        "l/min": ("升/分钟", "升每分钟", "litres per minute", "liters per minute"),
        "n·m": ("newton metres", "newton meters", "牛·米", "牛米", "nm", "n.m"),
        "kwh": ("千瓦时", "kw·h", "度电"),
        "kw": ("kilowatts", "千瓦"),
        "mpa": ("兆帕",),
        "kpa": ("千帕",),
        "kg": ("kilograms", "kilogram", "公斤", "千克"),
        "mm": ("millimetres", "millimeters", "millimetre", "毫米"),
        "µm": ("micrometres", "microns", "micron", "微米", "μm", "um"),
        "cm": ("centimetres", "厘米"),
        "db": ("decibels", "分贝"),
        "ma": ("milliamperes", "毫安"),
        "month": ("months", "个月", "月"),
        "week": ("weeks", "周", "星期"),
        "day": ("days", "天", "日"),
        "year": ("years", "年"),
        "h": ("hours", "hour", "hrs", "hr", "小时", "钟头"),
        "min": ("minutes", "minute", "分钟"),
        "s": ("seconds", "second", "sec", "秒钟", "秒"),
        "g": ("grams", "gram", "克"),
        "m": ("metres", "meters", "metre", "meter", "米"),
        "l": ("litres", "liters", "litre", "liter", "升"),
        "v": ("volts", "volt", "伏"),
        "a": ("amperes", "amps", "amp", "安"),
        "bar": ("巴",),
        "hz": ("赫兹",),
        "k": (),
        "ω": ("ohms", "ohm", "欧"),
        "mω": ("megaohms", "megohms", "兆欧"),
        "psi": (),
        "kn": (),
        "n": (),
        "kv": (),
        "w": ("watts", "瓦"),
        "ppm": (),
        "l/s": (),
        "m/s": ("米/秒", "米每秒"),
        "m/min": ("米/分钟", "米/分"),
    }
)
_UNIT_OF_NAME: Mapping[str, str] = MappingProxyType(
    {
        name: unit
        for unit, names in _UNIT_NAMES.items()
        for name in (unit, *(unicodedata.normalize("NFKC", one).lower() for one in names))
    }
)
_UNIT = "|".join(re.escape(name) for name in sorted(_UNIT_OF_NAME, key=len, reverse=True))
_NUMBER = r"(?:\d{1,3}(?:[, ]\d{3})+(?!\d)|\d+)(?:\.\d+)?"
# A part number or code, such as `6205-2RS` or `M12`: letters and digits without a space. Looking
# ahead without a bound takes time with the square of a long run of digits, dots or hyphens.
_AHEAD = 60
_CODE = re.compile(
    rf"(?<![a-z0-9])(?=[a-z0-9])(?!{_NUMBER}\s?(?:{_UNIT})(?![a-z0-9]))"
    rf"(?=[a-z0-9./-]{{0,{_AHEAD}}}[a-z])(?=[a-z./-]{{0,{_AHEAD}}}[0-9])"
    r"[a-z0-9]+(?:[./-][a-z0-9]+)*"
)
_FIGURE = re.compile(rf"(?<![a-z0-9_.])(?P<number>{_NUMBER})\s*(?:(?P<unit>{_UNIT})(?![a-z0-9]))?")
_RANGE_END = re.compile(rf"\s*(?:-|–|—|~|～|to|至|到|and|与|或|or|/)\s*{_NUMBER}\s*(?:{_UNIT})")
_LIST_MARKER = re.compile(r"(?:^|(?<=[\s;；。:：,，(（]))\(?\d{1,2}(?:[)）、]|\.(?=\s))")
_FIRST_STEP = re.compile(r"(?:^|[\s;；。:：])\(?1[.)）、]\s?")
_FINAL_NUMBER = re.compile(r"(?<=[A-Za-z] )(\d{1,2})(?=\.\s+[A-Z])")
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        **{
            word: str(n)
            for n, word in enumerate(
                ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), start=2
            )
        },
        "twelve": "12",
        "half": "0.5",
        "一": "1",
        "两": "2",
        "二": "2",
        "三": "3",
        "四": "4",
        "五": "5",
        "六": "6",
        "七": "7",
        "八": "8",
        "九": "9",
        "十": "10",
        "半": "0.5",
    }
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in plain decimal notation, its unit in the notation of this module, and its place.

    `text` is the figure as it is written.
    """

    number: str
    unit: str | None
    text: str


def normalize(text: str) -> str:
    """Return the text in compatibility form (NFKC), in lower case; `℃` becomes `°c`."""
    return unicodedata.normalize("NFKC", text).lower()


def find_figures(text: str) -> tuple[Figure, ...]:
    """Return the figures that are written in digits, without the markers of numbered steps."""
    normal = _CODE.sub(" ", _LIST_MARKER.sub(" ", normalize(text)))
    figures = []
    for match in _FIGURE.finditer(normal):
        unit = match["unit"] or _unit_of_range(normal, match.end("number"))
        name = None if unit is None else _UNIT_OF_NAME[unit]
        figures.append(Figure(_plain(match["number"]), name, match[0].strip()))
    return tuple(figures)


def remove_figures(text: str) -> str:
    """Return the text in compatibility form without its figures and their units."""
    plain = unicodedata.normalize("NFKC", text)
    return re.sub(_FIGURE.pattern, " ", plain, flags=re.IGNORECASE)


def find_codes(text: str) -> tuple[str, ...]:
    """Return the part numbers and codes of a text, such as `6205-2rs`, in lower case."""
    return tuple(match[0] for match in _CODE.finditer(_LIST_MARKER.sub(" ", normalize(text))))


def find_final_numbers(text: str) -> frozenset[str]:
    """Return numbers of two digits at most at the end of a sentence, such as `4` in `gate 4. The`.

    They look like the markers of numbered steps. A text with a step 1 has none.
    """
    if _FIRST_STEP.search(text):
        return frozenset()
    return frozenset(_FINAL_NUMBER.findall(unicodedata.normalize("NFKC", text)))


def find_number_words(text: str) -> frozenset[str]:
    """Return the numbers that a text writes as words (`two`, `三`), in digits."""
    normal = normalize(text)
    return frozenset(
        number
        for word, number in _WORDS.items()
        if re.search(rf"\b{word}\b" if word.isascii() else word, normal)
    )


def _unit_of_range(text: str, position: int) -> str | None:
    """Return the unit at the end of the range that starts before `position`, or None."""
    end = _RANGE_END.match(text, position)
    return None if end is None else re.search(rf"({_UNIT})$", end[0])[1]  # type: ignore[index]


def _plain(number: str) -> str:
    """Return a number without thousands separators and without zeros at the end of its decimals."""
    plain = number.replace(",", "").replace(" ", "")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
