"""Read the values of columns with a closed list of texts, such as a grade, and of tags."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from models.arguments.lexicon import Strength, find_cues
from models.arguments.notations import UNIT_PATTERN
from models.arguments.values import Problem, ProblemKind, Reading
from models.signature import InputField


def _level(english: str, chinese: str) -> str:
    """Return the words for a level of quality: `low grade`, `Grade: low`, `等级为低`, `低品质`."""
    return (
        rf"(?:{english})[ -]*(?:quality|grade|type|class|end)"
        rf"|(?:quality|grade|type|class|product)\s*(?:is|[:=])?\s*(?:{english})"
        rf"|(?:等级|品质|质量|级别|类型)\s*(?:为|是|[:=])?\s*{chinese}(?![A-Za-z心间部速温压])"
        rf"|{chinese}(?:等级?|品质|质量|级|端)"
    )


# By column and value: other words for the value.
_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "bearing": {
            "ball": r"balls?|deep[ -]groove|angular[ -]contact|深沟球|角接触|球轴承|滚珠"
            r"|球(?=\s*(?:[),;、]|$))",
            "roller": r"rollers?|cylindrical|tapered|spherical|needle"
            r"|滚子|滚柱|圆锥|圆柱|调心|滚针",
        },
        "type": {
            "L": _level("low", "低"),
            "M": _level("medium|middle|mid", "中"),
            "H": _level("high", "高"),
        },
    }
)
# Beside a value of one letter: `grade L`, `L级`, `an M part`.
_LETTER_BEFORE = (
    r"(?:(?:grade|type|quality|class|variant|product)(?: is)?|等级|级别|品质|型号|类型|型|为|是"
    r"|[=:])"
    r"\s*[\"'“]?\s*"
)
_LETTER_AFTER = (
    r"\s*[\"'”]?\s*(?:级|等级|型|类|等|品质|零件|工件|料|材|件|-?\s?(?:grade|type|quality|class|variant|part"
    r"|workpiece|product|piece)\b)"
)
# A tag has letters and a sign or digit, and no blanks: `AHU3.RAT`, `T205_LVL_SP`.
_TAG = re.compile(
    r"(?:(?<![A-Za-z0-9_./:-])|(?<=[^A-Za-z0-9_./-]:)|(?<=(?:tag|ame|int):))"
    r"(?=[A-Za-z0-9_./:-]*[A-Za-z])"
    r"(?:[A-Za-z0-9]+(?:[._/:-][A-Za-z0-9]+)+"
    r"(?:_[一-鿿]{1,8}(?=[\s\"'”’,;。?]|$))?|[A-Za-z0-9]+_[一-鿿]{1,8}(?=[\s\"'”’,;。?]|$))(?![A-Za-z0-9_])"
)
# `产品序列号_铭牌` between blanks.
_CHINESE_TAG = re.compile(
    r"(?<![^\s\"'“”‘’:,;。、(])(?=\S{0,20}[一-鿿])(?!\S{0,40}(?:的|是|什么|请|吗|对应|哪|把))[A-Za-z0-9#一-鿿]{1,12}"
    r"(?:_[A-Za-z0-9#一-鿿]{1,12}){1,3}(?![^\s\"'“”‘’,;。?、)])"
)
_QUOTED = re.compile(r"[\"“'‘「`]([^\"”'’」`\n]{2,80})[\"”'’」`]")
_HUMPS = re.compile(r"[A-Za-z][a-z]+[A-Z][a-z]*[A-Z]?")
_UNIT = re.compile(UNIT_PATTERN, re.IGNORECASE)
_FILE = re.compile(r"\.(?:csv|xlsx?|txt|png|jpe?g|pdf|json|parquet|docx?|com|cn|html?)$", re.I)
_NOT_A_TAG = re.compile(
    r"^(?:https?|\d+(?:[-/:.]\d+)*|[A-Z]{2,5}[ -]?\d{3,5}(?:-\d+)?(?::\d{4})?)$"
)


def read_choice(text: str, field: InputField) -> Reading | Problem | None:
    """Return the value of a column with a closed list, a problem if the text names several."""
    found = {
        value: match
        for value in field.values or ()
        if value and (match := _find_value(text, field, value)) is not None
    }
    if not found:
        return None
    if len(found) > 1:
        named = ", ".join(match[0].strip() for match in found.values())
        return Problem(field.name, ProblemKind.AMBIGUOUS, named)
    value, match = next(iter(found.items()))
    return Reading(field.name, value, match[0].strip())


def read_tags(text: str, limit: int) -> tuple[str, ...]:
    """Return the plant tags in a text, at most `limit`, each once."""
    quoted = [match[1].strip() for match in _QUOTED.finditer(text)]
    plain = [match[0] for match in _TAG.finditer(text)]
    found = [one for one in quoted if _is_quoted_tag(one)]
    found += [one for one in plain if _is_tag(one)]
    found += _CHINESE_TAG.findall(text)
    unique = [one for one in dict.fromkeys(found) if not _is_part_of(one, found)]
    return tuple(unique[:limit])


def read_word(text: str, field: InputField) -> Reading | None:
    """Return the word that follows a column's name, for a column of free texts."""
    for cue in find_cues(text, (field,)):
        match = re.match(r"\s*(?:[=:]|is|是|为)\s*[\"'“]?([^\s,;。\"'”]{1,80})", text[cue.end :])
        if match and cue.strength is Strength.NAME:
            return Reading(field.name, match[1], match[1])
    return None


def _find_value(text: str, field: InputField, value: str) -> "re.Match[str] | None":
    """Return where a text names a value, by the value itself or another word for it."""
    words = _WORDS.get(field.name, {}).get(value)
    escaped = re.escape(value)
    if len(value) == 1:
        letter = f"(?-i:{escaped})"  # in its own case: `l` is a litre
        for pattern in (
            rf"{_LETTER_BEFORE}{letter}(?![A-Za-z0-9])",
            rf"(?<![A-Za-z0-9.°]){letter}{_LETTER_AFTER}",
            rf"(?:^|[,;、。:|(])\s*{letter}(?=\s*(?:[,;、。?.|()]|$))",
        ):
            if match := re.search(pattern, text, re.IGNORECASE):
                return match
    else:
        pattern = rf"(?<![A-Za-z0-9_]){escaped}(?![A-Za-z0-9_])" if value.isascii() else escaped
        if match := re.search(pattern, text, re.IGNORECASE):
            return match
    if words is None:
        return None
    # Chinese words need no blank beside a symbol: `球轴承C=30kN`.
    begins, ends = r"(?:(?<![A-Za-z])|(?=[一-鿿]))", r"(?:(?![A-Za-z])|(?<=[一-鿿]))"
    return re.search(f"{begins}(?:{words}){ends}", text, re.IGNORECASE)


def _is_tag(text: str) -> bool:
    """Return whether a text looks like a plant tag: no prose, number, standard or file name."""
    if _FILE.search(text) or _NOT_A_TAG.match(text) or len(text) > 80:
        return False
    if _UNIT.fullmatch(text.lstrip("0123456789.,")):
        return False
    has_letter = any(one.isascii() and one.isalpha() for one in text)
    is_coded = any(one.isdigit() or one in "._-/:" for one in text)
    is_prose = text.islower() and not any(one.isdigit() or one in "._" for one in text)
    return has_letter and is_coded and not is_prose and text.count(" ") <= 3


def _is_quoted_tag(text: str) -> bool:
    """Return whether a quoted text is a tag: `ManufSerialNo`, `空压机1#排气温度`."""
    is_chinese_code = any("一" <= one <= "鿿" for one in text) and re.search(r"[0-9#_]", text)
    is_short = len(text) <= 40 and " " not in text
    return _is_tag(text) or (is_short and bool(_HUMPS.search(text) or is_chinese_code))


def _is_part_of(tag: str, found: Iterable[str]) -> bool:
    """Return whether a tag is a part of a longer one that was found."""
    return any(tag != other and tag in other for other in found)
