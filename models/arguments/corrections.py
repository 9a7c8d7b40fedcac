"""Parts of a text that do not count beside others: what is corrected, plates, earlier periods."""

import re
from collections.abc import Sequence
from itertools import islice

from models.arguments.quantities import Quantity, find_quantities

_CORRECTION = re.compile(
    r"(?:\b(?:ah |oh |oops,? |wait,? )?(?:no,? )?sorry\b[,:]?"
    r"|\bcorrection\s*[:,-]|\bscratch that\b|\b(?:hang|hold) on\b|\brechecked\b|\bmy mistake\b"
    r"|\boops\b|\bi misread\b|\bi meant\b|\bactually,? (?:no|it|the|make)\b"
    r"|\bwait,|\b(?:oh )?no,? wait\b"
    r"|更正|(?:哎|啊|唉|呀|哦|欸|等等)?[,，]?不对(?:[,，。!:]|(?=[我了啊呀]))|说错|写错|记错|看错|抄错|搞错|弄错|[念说看弄写搞读]反|不好意思[,，]|纠正)",
    re.IGNORECASE,
)
# Right behind a number, its correction follows without a name: `0.62 tf... no, 6.1 kN`.
_BESIDE = re.compile(r"[\s.,;…()\]-]*")
_MIN_BEFORE = 2
# Longer texts are documents.
_MAX_TEXT, _MAX_MATCHES = 8_000, 4
_PLATE = re.compile(r"name ?plate|rating plate|data ?plate|铭牌|标牌", re.IGNORECASE)
_MEASURED = re.compile(
    r"measur|actual|real|reading|instead|实测|测得|测到|量得|实际|现场", re.IGNORECASE
)
_PAST = re.compile(
    r"上个?月|上个?周|上季度?|去年|\blast (?:month|week|year|quarter)|\bthe (?:month|year) before",
    re.IGNORECASE,
)
_NOW = re.compile(
    r"这个?月|本月|本周|这周|本季|今年|\bthis (?:month|week|year|quarter)", re.IGNORECASE
)
_CLAUSE_END = re.compile(r"[.;!?](?=\s|$)|[。；！？\n:)]|\bbut\b|但|不过", re.IGNORECASE)


def split_corrections(text: str) -> tuple[str, ...]:
    """Return the parts of a text of which each corrects those before it; usually one part."""
    if len(text) > _MAX_TEXT:
        return (text,)
    for match in islice(_CORRECTION.finditer(text), _MAX_MATCHES):
        numbers = find_quantities(text[: match.start()])
        is_beside = numbers and _BESIDE.fullmatch(text, numbers[-1].end, match.start()) is not None
        if len(numbers) < _MIN_BEFORE or is_beside or not find_quantities(text[match.end() :]):
            continue
        # The clause may name what is corrected: `良品写错行了, 是574件`.
        start = max(
            numbers[-1].end, *(text.rfind(sign, 0, match.start()) + 1 for sign in ",.;。…\n")
        )
        named = text[start : match.start()]
        return text[:start], *split_corrections(f"{named} {text[match.end() :]}")
    return (text,)


def nameplate_values(text: str, quantities: Sequence[Quantity]) -> set[int]:
    """Return the indices of a nameplate's values, if the text states what was measured as well."""
    if len(text) > _MAX_TEXT or _MEASURED.search(text) is None:
        return set()
    return _replaced(quantities, _clauses(text, _PLATE))


def earlier_values(text: str, quantities: Sequence[Quantity]) -> set[int]:
    """Return the indices of values of an earlier period, if the text states those of this one.

    Bare numbers stay: what they mean is not known yet.
    """
    if len(text) > _MAX_TEXT or _NOW.search(text) is None:
        return set()
    found = _replaced(quantities, _clauses(text, _PAST))
    return {index for index in found if quantities[index].units}


def _clauses(text: str, begins: re.Pattern[str]) -> list[range]:
    """Return the places of the clauses that begin with these words."""
    clauses = []
    for match in islice(begins.finditer(text), _MAX_MATCHES):
        end = _CLAUSE_END.search(text, match.end())
        clauses.append(range(match.end(), len(text) if end is None else end.start()))
    return clauses


def _replaced(quantities: Sequence[Quantity], clauses: Sequence[range]) -> set[int]:
    """Return the quantities of clauses of which the rest of the text has some in the same unit."""
    inside = {
        index for index, one in enumerate(quantities) if any(one.start in it for it in clauses)
    }
    kinds = {_kinds(one) for index, one in enumerate(quantities) if index not in inside}
    return {index for index in inside if _kinds(quantities[index]) in kinds}


def _kinds(quantity: Quantity) -> frozenset[str]:
    """Return the kinds of quantity that a unit may mean."""
    return frozenset(kind for kind, _ in quantity.units)
