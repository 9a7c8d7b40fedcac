"""What a short answer must hold, as far as the words of the question tell.

A small model answers `How much runout may the shaft have?` with a sentence on runout that is in the
documents and states no figure, or with a torque. Such a sentence is supported, and no answer.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from models.grounding.figures import find_codes, find_figures, find_number_words
from models.grounding.words import find_terms

_ASKS_FOR_FIGURE = re.compile(
    r"\bhow (?:much|many|hot|cold|long|often|far|fast|tight|hard|high|deep|thick|wide|big|large|"
    r"heavy|old)\b|\b(?:at )?what (?:temperature|pressure|speed|torque|voltage|current|interval)\b|"
    r"多少|多大|多久|多长|多厚|多高|多远|多重|多快|多深|多宽|多热|"
    r"几(?:度|个|公斤|次|天|遍|分钟|小时|毫米|台|人|点|件|道|年|月|周|米|升|千瓦)",
    re.IGNORECASE,
)
# Amounts and intervals without a number, and statements that there is none.
_AMOUNT = re.compile(
    r"\b(?:every|each|daily|weekly|monthly|yearly|annually|hourly|once|twice|one|no|none|never|not|"
    r"always|until|half|full|first|second|third)\b|每|次|不|无|任何|全部|直到|一直|第|班",
    re.IGNORECASE,
)
_ASKS_FOR_CODE = re.compile(
    r"\b(?:which|what) (?:\w+ )?"
    r"(?:code|type|part|number|model|size|grade|filter|alarm|parameter)\b|"
    r"哪(?:种|个|款|一种)|什么(?:型号|代码|牌号|规格|报警)|型号|备件号|代号",
    re.IGNORECASE,
)
_MIN_SHARED_TERMS = 2
_ASKS_FOR_SEVERAL = re.compile(
    r"\b(?:both|each|respectively|the two)\b|分别|各自|各(?=要|应|设|是|为|用|有|压|多)|"
    r"两(?:台|个|种|条|处)",
    re.IGNORECASE,
)
_TIME = frozenset({"s", "min", "h", "day", "week", "month", "year"})
_LENGTH = frozenset({"mm", "µm", "cm", "m"})
_PRESSURE = frozenset({"bar", "mpa", "kpa", "psi"})
_FORCE = frozenset({"kn", "n", "kg"})
# The units that a quantity can have, by the words that ask for it. 压力 is a pressure or a force.
_UNITS_OF: Mapping[re.Pattern[str], frozenset[str]] = MappingProxyType(
    {
        re.compile(words, re.IGNORECASE): units
        for words, units in (
            (
                r"temperature|\bhow (?:hot|cold|warm)\b|温度|几度|多热|多少度|油温|水温",
                frozenset({"°c", "k"}),
            ),
            (
                r"\bhow (?:long|often|old)\b|\bwhen\b|多久|多长|时间|周期|"
                r"几(?:分钟|小时|天|个?月|年|秒)",
                _TIME,
            ),
            (
                r"\bhow (?:long|far(?! off)|deep|thick|wide|high|big|large)\b|stroke|diameter|"
                r"thickness|clearance|runout|distance|\bgap\b|多[长厚深宽高远粗大]|行程|直径|厚度|间隙|距离|长度",
                _LENGTH,
            ),
            (r"torque|\bhow tight\b|力矩|扭矩|多紧", frozenset({"n·m"})),
            (r"pressure|压力|气压|油压|几公斤|几个压", _PRESSURE | _FORCE),
            (r"\bforce\b|多大的?力|锁模力|夹紧力", _FORCE | _PRESSURE),
            (r"\bhow (?:heavy|many kilo)|weigh|重量|多重|多少公斤", frozenset({"kg", "g"})),
            (r"litre|liter|容积|容量|多少升|几升", frozenset({"l", "m³"})),
            (r"\bflow|流量", frozenset({"l/min", "l/s", "m³/h", "m³/min"})),
            (
                r"\bhow fast\b|speed|转速|速度|风速|多快",
                frozenset({"r/min", "m/s", "m/min", "mm/s", "hz", "%"}),
            ),
            (r"vibration|振动", frozenset({"mm/s", "µm", "m/s", "mm", "g"})),
            (r"kilowatt|\bpower\b|功率|多少千瓦", frozenset({"kw", "w"})),
            (r"\bvolts?\b|voltage|电压|多少伏", frozenset({"v", "kv"})),
            (r"\bamps?\b|\bcurrent\b|电流|多少安", frozenset({"a", "ma"})),
            (r"decibel|\bnoise\b|\bloud\b|分贝|噪声|噪音", frozenset({"db"})),
        )
    }
)


def lacks_asked_figure(question: str, sentence: str) -> bool:
    """Whether the question asks for an amount, and the sentence has none or another quantity's."""
    if _ASKS_FOR_FIGURE.search(question) is None:
        return False
    figures = find_figures(sentence)
    units = {figure.unit for figure in figures}
    asked = asked_units(question)
    if asked and units and None not in units:
        return asked.isdisjoint(unit for unit in units if unit is not None)
    return not figures and not _AMOUNT.search(sentence) and not find_number_words(sentence)


def states_what_is_asked(question: str, sentence: str) -> bool:
    """Whether a sentence, in words of the question, has an amount or a code that it asks for.

    Small models write `This is not in your documents.` and then what the documents say.
    """
    if len(find_terms(question) & find_terms(sentence)) < _MIN_SHARED_TERMS:
        return False
    if _ASKS_FOR_FIGURE.search(question):
        asked = asked_units(question)
        figures = find_figures(sentence)
        return any(not asked or figure.unit in asked for figure in figures)
    new_codes = frozenset(find_codes(sentence)).difference(find_codes(question))
    return _ASKS_FOR_CODE.search(question) is not None and bool(new_codes)


def asks_for_figure(question: str) -> bool:
    """Whether the question asks for an amount."""
    return _ASKS_FOR_FIGURE.search(question) is not None


def asks_for_code(question: str) -> bool:
    """Whether the question asks for a code, a type or a part number."""
    return _ASKS_FOR_CODE.search(question) is not None


def states_amount(text: str) -> bool:
    """Whether a text states an amount or an interval, also without digits."""
    return _AMOUNT.search(text) is not None or bool(find_number_words(text))


def asks_for_several(question: str) -> bool:
    """Whether the question asks the same of two things or more."""
    return _ASKS_FOR_SEVERAL.search(question) is not None


def asked_units(question: str) -> frozenset[str]:
    """Return the units of the quantities that the question names; none if it names no quantity."""
    asked = (units for words, units in _UNITS_OF.items() if words.search(question))
    return frozenset[str]().union(*asked)
