"""Personal data in texts of a factory: where it stands, and of which kind.

Numbers are told by their own rules, not by their look: libraries check where a phone number could
be dialled and whether an id's checksum holds, for part numbers, serials, tags and timestamps look
like them. Names are found by a title or a label only, for a list of names or a model of language
would be another thing to keep and to be wrong (decision 0022). Pure.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException
from stdnum import iban, luhn
from stdnum.cn import ric, uscc
from stdnum.de import idnr

from gateway.fine_tuning.secret_scan import secrets_in

_FREE = r"(?<![0-9A-Za-z_./-])"
_ENDS = r"(?![0-9A-Za-z_/-]|\.\d)"
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛"
    "叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊陆郝孔崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚"
)
_GIVEN = r"[\u4e00-\u9fff]"
_LATIN = r"[A-ZÄÖÜ][a-zäöüßéèáñ]+"
# What a number is said to be, just before it. Chinese has no spaces that a word could be told by.
_CALLED = re.compile(
    r"(?:电话|手机|致电|拨打|联系方式|传真|座机|\b(?:tel|telefon|phone|mobile|mobil|handy|cell|call|fax"
    r"|ruf|durchwahl|whatsapp)\w*)[^;。\n]{0,30}$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?:序列号|资产编?号|设备编?号|物料编?号|编号|订单号?|工单号?|批号|图号|料号|条码|条形码"
    r"|\b(?:s/?n|p/?n|serial|asset|part|item|order|wo|tag|batch|lot|barcode|id|no|nr|artikel"
    r"|anlage|auftrag)\w*)[\s.:：#=(（]*(?:no|nr|number|nummer)?[\s.:：#=(（]*$",
    re.IGNORECASE,
)
_BANK = re.compile(
    r"(?:卡号|银行卡|账号|账户|card|konto|karte)\W{0,6}(?:\w+\W{1,3})?$", re.IGNORECASE
)
_TAX = re.compile(r"(?:steuer|idnr|id-nr|tin)[\w-]*\W{0,4}(?:\w+\W{1,3})?$", re.IGNORECASE)
_LOOKED_AT = 40
# Of a number told by what stands before it: a chapter `33-27-00` could be dialled somewhere.
_FEWEST_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Found:
    """Of a text, from and to."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where it may stand, and whether it does, by what it is and what stands before it. A group
    named `it` is what is meant of a match."""

    name: str
    pattern: re.Pattern[str]
    holds: Callable[[str, str], bool]

    def find(self, text: str) -> Iterator[Found]:
        for found in self.pattern.finditer(text):
            group = "it" if "it" in self.pattern.groupindex else 0
            start, end = found.span(group)
            if self.holds(found[group], text[max(0, start - _LOOKED_AT) : start]):
                yield Found(self.name, start, end)


def find(text: str) -> list[Found]:
    """In order, none over another; of two that overlap the first kind counts."""
    found = [Found(*secret) for secret in secrets_in(text)]
    for kind in _KINDS:
        for one in kind.find(text):
            if all(one.end <= other.start or other.end <= one.start for other in found):
                found.append(one)
    return sorted(found, key=lambda one: one.start)


def _always(it: str, before: str) -> bool:
    return True


def _dialled(it: str, before: str) -> bool:
    """Written so that it can be dialled from anywhere."""
    return _can_be_called(it, None) and not _NUMBERED.search(before)


def _chinese(it: str, before: str) -> bool:
    return _can_be_called(it, "CN") and not _NUMBERED.search(before)


def _at_home(it: str, before: str) -> bool:
    """Without a country, so that it has to be said that it is one."""
    short = sum(one.isdecimal() for one in it) < _FEWEST_DIGITS
    if short or _NUMBERED.search(before) or not _CALLED.search(before):
        return False
    return any(_can_be_called(it, region) for region in ("CN", "DE", "US", "GB", "AT", "CH"))


def _can_be_called(it: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(it, region))
    except NumberParseException:
        return False


def _card(it: str, before: str) -> bool:
    digits = re.sub(r"\D", "", it)
    return luhn.is_valid(digits) and (digits != it or bool(_BANK.search(before)))


_KINDS = (
    _Kind(
        "EMAIL",
        re.compile(
            r"(?<![0-9A-Za-z._%+-])[0-9A-Za-z._%+-]{1,64}@(?:[0-9A-Za-z-]{1,63}\.){0,4}"
            r"(?=[0-9-]*[A-Za-z])[0-9A-Za-z-]{1,63}\.[A-Za-z]{2,24}(?![0-9A-Za-z])"
        ),
        _always,
    ),
    _Kind(
        "ID_NUMBER",
        re.compile(r"(?<![0-9A-Za-z])[1-9]\d{16}[\dXx](?![0-9A-Za-z])"),
        lambda it, before: ric.is_valid(it),
    ),
    _Kind(
        "COMPANY_ID",
        re.compile(r"(?<![0-9A-Za-z])[1-9A-Y][1239]\d{6}[0-9A-HJ-NPQRTUWXY]{10}(?![0-9A-Za-z])"),
        lambda it, before: uscc.is_valid(it),
    ),
    _Kind(
        "IBAN",
        re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,4})?\b"),
        lambda it, before: iban.is_valid(it),
    ),
    _Kind("CARD", re.compile(rf"{_FREE}(?:(?:\d{{4}}[ -]){{3}}\d{{4}}|\d{{16,19}}){_ENDS}"), _card),
    _Kind(
        "TAX_ID",
        re.compile(rf"{_FREE}\d{{2}} ?\d{{3}} ?\d{{3}} ?\d{{3}}{_ENDS}"),
        lambda it, before: idnr.is_valid(it) and bool(_TAX.search(before)),
    ),
    _Kind(
        "PHONE",
        re.compile(rf"(?<![0-9A-Za-z_./-])(?:\+|00)[1-9][\d ()/.-]{{6,18}}\d{_ENDS}"),
        _dialled,
    ),
    _Kind(
        "PHONE",
        re.compile(rf"{_FREE}(?:1[3-9]\d[ -]?\d{{4}}[ -]?\d{{4}}|0\d{{2,3}}-\d{{7,8}}){_ENDS}"),
        _chinese,
    ),
    _Kind("PHONE", re.compile(rf"{_FREE}[(]?\d[\d ()/.-]{{5,18}}\d{_ENDS}"), _at_home),
    _Kind(
        "MESSENGER",
        re.compile(r"(?:微信号?|WeChat|QQ)[ :：]{1,3}(?P<it>[A-Za-z0-9][\w-]{4,19})", re.ASCII),
        _always,
    ),
    _Kind("NAME", re.compile(rf"(?P<it>[{_SURNAMES}]{_GIVEN}{{0,2}}?)(?=师傅|先生|女士)"), _always),
    _Kind(
        "NAME",
        re.compile(
            r"(?:姓名|联系人|报修人|维修人|操作人|负责人|记录人|审核人|检修人)[:：为是 ]{1,2}"
            rf"(?P<it>[{_SURNAMES}]{_GIVEN}{{1,2}})(?!{_GIVEN})"
        ),
        _always,
    ),
    _Kind(
        "NAME",
        re.compile(
            r"\b(?:Mr|Mrs|Ms|Dr|Herr|Herrn|Frau)\b\.? "
            rf"(?P<it>{_LATIN}(?:-{_LATIN})?(?: {_LATIN})?)\b"
        ),
        _always,
    ),
    _Kind(
        "NAME",
        re.compile(
            r"\b(?i:reported by|assigned to|contact person|employee|gemeldet von|bearbeiter"
            rf"|ansprechpartner|mitarbeiter)[: ]{{1,2}}(?P<it>{_LATIN} {_LATIN})\b"
        ),
        _always,
    ),
)
