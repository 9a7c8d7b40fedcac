"""Check a language model's words about findings: each figure must be one of theirs.

Checked like citations: an answer with a figure or a name of its own, without the main figure, or
with the opposite verdict is not used.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from models.arguments.notations import kind_of
from models.arguments.quantities import Quantity, find_quantities, normalize
from models.findings.finding import Finding, Stated, Verdict
from models.findings.names import foreign_names
from models.findings.sentences import number_text
from models.units import UnitMismatch, UnitUnknown, unit_conversion

_MIN_DIGITS = 2
_LIST_MARKER = re.compile(r"(?m)^\s*(?:\(?\d{1,2}[.)、]|[-*•])\s+")
# What small models write in the place of what they do not know, as `Source: <sensitive>`.
_PLACEHOLDER = re.compile(r"<[^<>=\d]{2,40}>|\[[A-Z_ ]{3,40}\]|\{\w{2,40}\}")
# Words that contradict a verdict. A negated one in the text, such as `no failure`, is a NO.
_SAYS_NO = re.compile(
    r"\bno (?:failure|fault|anomal|signal|risk)|\bnot (?:expected to )?(?:fail|anomal)|"
    r"\bwill not fail|\bwon't fail|\bunlikely to fail|\bis safe\b|\bare normal\b|"
    r"不会(?:发生)?(?:故障|失效|异常)|无(?:故障|异常)|没有(?:故障|异常)|未见异常|正常运行|数据正常|是安全的",
    re.IGNORECASE,
)
_SAYS_YES = re.compile(
    r"(?<!not )\b(?:will fail|is likely to fail|failure is (?:expected|likely|predicted)|"
    r"is anomalous|are anomalous)|(?<!不)会(?:发生)?(?:故障|失效)|预计(?:发生)?(?:故障|失效)"
    r"|判为异常|数据异常",
    re.IGNORECASE,
)
_SAYS_UNCERTAIN = re.compile(
    r"uncertain|not reliable|cannot be relied|outside (?:the|its) (?:trained|training)|"
    r"不确定|不可靠|超出训练范围|仅供参考",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Known:
    """A number that an answer may have: a value with its unit."""

    value: float
    unit: str | None = None


def check_answer(
    answer: str,
    findings: Sequence[Finding],
    inputs: Sequence[Known],
    texts: Sequence[str],
    names: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return what is wrong with an answer about findings; nothing if it may be used.

    inputs: the values that were sent to the specialists; texts: the question and the descriptions
    of the tools, whose numbers and names may be repeated; names: further texts whose names may be,
    as those of columns. Each entry is what the answer must not have, or lacks.
    """
    if not answer.strip():
        return ("an answer",)
    normal = _LIST_MARKER.sub(" ", normalize(answer))
    quantities = find_quantities(normal)
    known = [*_known_of(findings), *inputs, *_known_of_texts(texts)]
    foreign = [one.text for one in quantities if not any(_is_same(one, k) for k in known)]
    foreign += [one for one in _PLACEHOLDER.findall(answer) if not any(one in t for t in texts)]
    foreign += foreign_names(answer, [*texts, *names, *_texts_of(findings)])
    lacking = [name for finding in findings for name in _lacking(finding, normal, quantities)]
    return tuple(dict.fromkeys([*foreign, *lacking]))


def _lacking(finding: Finding, answer: str, quantities: Sequence[Quantity]) -> Iterator[str]:
    """Yield what an answer lacks, or says against a finding."""
    main = finding.main
    if finding.verdict is Verdict.UNCERTAIN and not _SAYS_UNCERTAIN.search(answer):
        yield "that the result is uncertain"
    if finding.decided is Verdict.YES and _SAYS_NO.search(answer):
        yield "the opposite verdict"
    if finding.decided is Verdict.NO and _SAYS_YES.search(_SAYS_NO.sub(" ", answer)):
        yield "the opposite verdict"
    if main is None or finding.decided is Verdict.UNCERTAIN:
        return
    if finding.decided is Verdict.LABEL and isinstance(main.value, str):
        if normalize(main.value).lower() not in answer.lower():
            yield main.value
    elif finding.decided in (Verdict.YES, Verdict.NO) and finding.probability is not None:
        probability = Known(finding.probability, "1")
        if not any(_is_same(one, probability) for one in quantities):
            yield f"the probability {finding.probability * 100:.1f} %"
    elif finding.decided is Verdict.VALUE and isinstance(main.value, float):
        wanted = [one for one in finding.figures if one.name in finding.asked] or [main]
        if not any(_states(one, quantities) for one in wanted):
            yield f"{main.name} {number_text(main.value)}"


def _states(stated: Stated, quantities: Sequence[Quantity]) -> bool:
    """Return whether a figure is among the quantities of an answer."""
    value = stated.value
    return isinstance(value, float) and any(
        _is_same(one, Known(value, stated.unit)) for one in quantities
    )


def _texts_of(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield what findings name: outputs, classes, reasons, and inputs outside their range."""
    for finding in findings:
        yield from finding.reasons
        yield from (name for name, _ in finding.outside)
        for stated in finding.figures:
            yield stated.name
            if isinstance(stated.value, str):
                yield stated.value


def _known_of(findings: Iterable[Finding]) -> Iterator[Known]:
    """Yield the numbers of findings: values, bounds, probabilities and trained ranges."""
    for finding in findings:
        if finding.probability is not None:
            yield Known(finding.probability, "1")
            yield Known(1.0 - finding.probability, "1")
        for stated in finding.figures:
            yield from _known_of_figure(stated)
        for _, span in finding.outside:
            yield from _known_of_texts([span.replace("–", " ")])


def _known_of_figure(stated: Stated) -> Iterator[Known]:
    """Yield the numbers of one figure."""
    if isinstance(stated.value, tuple):
        yield from (Known(one, stated.unit) for one in stated.value)
        yield Known(float(len(stated.value)))
    elif isinstance(stated.value, float):
        yield Known(stated.value, stated.unit)
    elif isinstance(stated.value, str):
        yield from _known_of_texts([stated.value])
    yield from (Known(one, stated.unit) for one in (stated.lower, stated.upper) if one is not None)


def _known_of_texts(texts: Iterable[str]) -> Iterator[Known]:
    """Yield the numbers that stand in texts."""
    for text in texts:
        for one in find_quantities(normalize(text)):
            yield Known(one.value, one.units[0][1] if one.units else None)


def _is_same(quantity: Quantity, known: Known) -> bool:
    """Return whether a quantity of an answer is a known number, rounded to its own digits."""
    if not quantity.units:
        return _rounds_to(known.value, quantity)
    return any(_is_same_in(kind, unit, quantity, known) for kind, unit in quantity.units)


def _is_same_in(kind: str, unit: str, quantity: Quantity, known: Known) -> bool:
    """Return whether a known number is the quantity's in one of the units that it may have."""
    known_kind = kind_of(known.unit)
    if kind == "share":
        scale = 1.0 if known.unit == "%" else 100.0
        return known.unit in (None, "1", "%") and _rounds_to(known.value * scale, quantity)
    if kind == "pieces" and known.unit in (None, "1"):
        return _rounds_to(known.value, quantity)  # `45 个循环`
    if known_kind is None:
        return known.unit not in (None, "1") and _rounds_to(known.value, quantity)
    if known_kind != kind:
        return False
    converted = _converted(known, unit)
    return converted is not None and _rounds_to(converted, quantity)


def _converted(known: Known, unit: str) -> float | None:
    """Return a known number in another unit, None if it cannot be converted."""
    if known.unit is None or known.unit == unit:
        return known.value
    try:
        conversion = unit_conversion(known.unit, unit)
    except (UnitUnknown, UnitMismatch):
        return None
    return known.value * conversion.scale + conversion.offset


def _rounds_to(value: float, quantity: Quantity) -> bool:
    """Return whether a value is the quantity's number at the digits in which it is written."""
    stated = quantity.value
    if math.isclose(value, stated, rel_tol=1e-9, abs_tol=1e-12):
        return True
    if not math.isfinite(value):
        return False
    digits = re.sub(r"[^\d.]", "", quantity.text.split()[0] if quantity.text else "")
    whole, _, decimals = re.match(r"(\d*)(\.?)(\d*)", digits).groups()  # type: ignore[union-attr]
    if decimals:
        is_precise = len((whole + decimals).lstrip("0")) >= _MIN_DIGITS or abs(value) < 1
        return is_precise and abs(value - stated) <= 0.5 * 10.0 ** -len(decimals) * (1 + 1e-9)
    significant = len(whole.strip("0")) if whole.strip("0") else 1
    if max(significant, len(whole.lstrip("0"))) < _MIN_DIGITS:
        return False
    step = 10.0 ** (len(whole) - max(significant, _MIN_DIGITS))
    return abs(value - stated) <= 0.5 * max(step, 1.0) * (1 + 1e-9)
