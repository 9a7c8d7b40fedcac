"""Detect personal data in texts of a factory: kind and position.

Numbers are validated, not only matched: part numbers, serials, tags and timestamps look like phone
numbers and ids, so libraries check dialling plans and checksums. Names are detected only by a title
or label; a name list or NER model would be another dependency with its own errors (decision 0022).
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException
from stdnum import iban, luhn
from stdnum.cn import ric, uscc
from stdnum.de import idnr

_NUMBER_START = r"(?<![0-9A-Za-z_./-])"
_NUMBER_END = r"(?![0-9A-Za-z_/-]|\.\d)"
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛"
    "叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊陆郝孔崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚"
)
_CHINESE_CHARACTER = r"[\u4e00-\u9fff]"
_LATIN_NAME = r"[A-ZÄÖÜ][a-zäöüßéèáñ]+"
# Labels just before a number. No word boundary for Chinese, which has no spaces.
_PHONE_LABEL = re.compile(
    r"(?:电话|手机|致电|拨打|联系方式|传真|座机|\b(?:tel|telefon|phone|mobile|mobil|handy|cell|call|fax"
    r"|ruf|durchwahl|whatsapp)\w*)[^;。\n]{0,30}$",
    re.IGNORECASE,
)
_PART_NUMBER_LABEL = re.compile(
    r"(?:序列号|资产编?号|设备编?号|物料编?号|编号|订单号?|工单号?|批号|图号|料号|条码|条形码"
    r"|\b(?:s/?n|p/?n|serial|asset|part|item|order|wo|tag|batch|lot|barcode|id|no|nr|artikel"
    r"|anlage|auftrag)\w*)[\s.:：#=(（]*(?:no|nr|number|nummer)?[\s.:：#=(（]*$",
    re.IGNORECASE,
)
_CARD_LABEL = re.compile(
    r"(?:卡号|银行卡|账号|账户|card|konto|karte)\W{0,6}(?:\w+\W{1,3})?$", re.IGNORECASE
)
_TAX_LABEL = re.compile(r"(?:steuer|idnr|id-nr|tin)[\w-]*\W{0,4}(?:\w+\W{1,3})?$", re.IGNORECASE)
_CONTEXT_LENGTH = 40
# For numbers recognized by their label: a chapter number `33-27-00` is dialable somewhere.
_MIN_PHONE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class PiiMatch:
    """A detected item of personal data: kind and character range `[start, end)`."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _PiiPattern:
    """A pattern for one kind of personal data, with a validator.

    `is_valid(matched, before)` gets the matched text and the text before it. If the pattern has a
    group `value`, only that group is the personal data.
    """

    name: str
    pattern: re.Pattern[str]
    is_valid: Callable[[str, str], bool]

    def find_matches(self, text: str) -> Iterator[PiiMatch]:
        """Yield the matches in a text that `is_valid` accepts."""
        for match in self.pattern.finditer(text):
            group = "value" if "value" in self.pattern.groupindex else 0
            start, end = match.span(group)
            if self.is_valid(match[group], text[max(0, start - _CONTEXT_LENGTH) : start]):
                yield PiiMatch(self.name, start, end)


def find_personal_data(
    text: str, taken: Collection[PiiMatch] = (), kinds: Collection[str] | None = None
) -> list[PiiMatch]:
    """Return the personal data in a text and the `taken` matches, ordered, without overlaps.

    Of two overlapping matches, the one whose pattern is listed first wins, `taken` ones before all.
    Only these `kinds` are looked for, all if None.
    """
    matches = list(taken)
    for pattern in _PATTERNS:
        if kinds is not None and pattern.name not in kinds:
            continue
        for match in pattern.find_matches(text):
            if all(match.end <= other.start or other.end <= match.start for other in matches):
                matches.append(match)
    return sorted(matches, key=lambda match: match.start)


def _accept_any(matched: str, before: str) -> bool:
    """Return True: the validator of patterns that need no further check."""
    return True


def _is_international_phone(matched: str, before: str) -> bool:
    """Whether the number is valid in international format and not labelled as a part number."""
    return _is_valid_phone(matched, None) and not _PART_NUMBER_LABEL.search(before)


def _is_chinese_phone(matched: str, before: str) -> bool:
    """Whether the number is valid in China and not labelled as a part number."""
    return _is_valid_phone(matched, "CN") and not _PART_NUMBER_LABEL.search(before)


def _is_labelled_local_phone(matched: str, before: str) -> bool:
    """Whether the number is valid in a supported country and labelled as a phone number."""
    is_short = sum(character.isdecimal() for character in matched) < _MIN_PHONE_DIGITS
    if is_short or _PART_NUMBER_LABEL.search(before) or not _PHONE_LABEL.search(before):
        return False
    return any(_is_valid_phone(matched, region) for region in ("CN", "DE", "US", "GB", "AT", "CH"))


def _is_valid_phone(number: str, region: str | None) -> bool:
    """Whether a number is valid in a region such as CN; None requires a country code."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except NumberParseException:
        return False


def _is_card_number(matched: str, before: str) -> bool:
    """Whether the Luhn check passes and the number is written or labelled as a card number.

    A bare number needs no label if it begins as UnionPay's cards and has none of a part.
    """
    digits = re.sub(r"\D", "", matched)
    is_bare_card = digits.startswith("62") and not _PART_NUMBER_LABEL.search(before)
    is_written_so = digits != matched or is_bare_card or bool(_CARD_LABEL.search(before))
    return is_written_so and luhn.is_valid(digits)


_PATTERNS = (
    _PiiPattern(
        "EMAIL",
        re.compile(
            r"(?<![0-9A-Za-z._%+-])[0-9A-Za-z._%+-]{1,64}@(?:[0-9A-Za-z-]{1,63}\.){0,4}"
            r"(?=[0-9-]*[A-Za-z])[0-9A-Za-z-]{1,63}\.[A-Za-z]{2,24}(?![0-9A-Za-z])"
        ),
        _accept_any,
    ),
    _PiiPattern(
        "ID_NUMBER",
        re.compile(r"(?<![0-9A-Za-z])[1-9]\d{16}[\dXx](?![0-9A-Za-z])"),
        lambda matched, before: ric.is_valid(matched),
    ),
    _PiiPattern(
        "COMPANY_ID",
        re.compile(r"(?<![0-9A-Za-z])[1-9A-Y][1239]\d{6}[0-9A-HJ-NPQRTUWXY]{10}(?![0-9A-Za-z])"),
        lambda matched, before: uscc.is_valid(matched),
    ),
    _PiiPattern(
        "IBAN",
        re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,4})?\b"),
        lambda matched, before: iban.is_valid(matched),
    ),
    _PiiPattern(
        "CARD",
        re.compile(rf"{_NUMBER_START}(?:(?:\d{{4}}[ -]){{3}}\d{{4}}|\d{{16,19}}){_NUMBER_END}"),
        _is_card_number,
    ),
    _PiiPattern(
        "TAX_ID",
        re.compile(rf"{_NUMBER_START}\d{{2}} ?\d{{3}} ?\d{{3}} ?\d{{3}}{_NUMBER_END}"),
        lambda matched, before: idnr.is_valid(matched) and bool(_TAX_LABEL.search(before)),
    ),
    _PiiPattern(
        "PHONE",
        re.compile(rf"(?<![0-9A-Za-z_./-])(?:\+|00)[1-9][\d ()/.-]{{6,18}}\d{_NUMBER_END}"),
        _is_international_phone,
    ),
    _PiiPattern(
        "PHONE",
        re.compile(
            rf"{_NUMBER_START}(?:1[3-9]\d[ -]?\d{{4}}[ -]?\d{{4}}|0\d{{2,3}}-\d{{7,8}})"
            rf"{_NUMBER_END}"
        ),
        _is_chinese_phone,
    ),
    _PiiPattern(
        "PHONE",
        re.compile(rf"{_NUMBER_START}[(]?\d[\d ()/.-]{{5,18}}\d{_NUMBER_END}"),
        _is_labelled_local_phone,
    ),
    _PiiPattern(
        "MESSENGER",
        re.compile(r"(?:微信号?|WeChat|QQ)[ :：]{1,3}(?P<value>[A-Za-z0-9][\w-]{4,19})", re.ASCII),
        _accept_any,
    ),
    _PiiPattern(
        "NAME",
        re.compile(rf"(?P<value>[{_SURNAMES}]{_CHINESE_CHARACTER}{{0,2}}?)(?=师傅|先生|女士)"),
        _accept_any,
    ),
    _PiiPattern(
        "NAME",
        re.compile(
            r"(?:姓名|联系人|报修人|维修人|操作人|负责人|记录人|审核人|检修人)[:：为是 ]{1,2}"
            rf"(?P<value>[{_SURNAMES}]{_CHINESE_CHARACTER}{{1,2}})(?!{_CHINESE_CHARACTER})"
        ),
        _accept_any,
    ),
    _PiiPattern(
        "NAME",
        re.compile(
            r"\b(?:Mr|Mrs|Ms|Dr|Herr|Herrn|Frau)\b\.? "
            rf"(?P<value>{_LATIN_NAME}(?:-{_LATIN_NAME})?(?: {_LATIN_NAME})?)\b"
        ),
        _accept_any,
    ),
    _PiiPattern(
        "NAME",
        re.compile(
            r"\b(?i:reported by|assigned to|contact person|employee|gemeldet von|bearbeiter"
            rf"|ansprechpartner|mitarbeiter)[: ]{{1,2}}(?P<value>{_LATIN_NAME} {_LATIN_NAME})\b"
        ),
        _accept_any,
    ),
)
