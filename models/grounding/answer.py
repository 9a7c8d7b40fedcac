"""The outcome of a checked answer: the answer with verified citations, or the passage itself."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from models.grounding.check import CheckedSentence
from models.grounding.sentences import CITATION

# What the model is trained to write if the passages do not answer the question, and what models
# without this training write instead.
NOT_FOUND_TEXTS = {"en": "This is not in your documents.", "zh": "您的资料中没有这项信息。"}
_NOT_FOUND = re.compile(
    r"not in (?:your|the) documents|(?:passages?|documents?|text) (?:do(?:es)? not|don't|doesn't) "
    r"(?:say|state|mention|contain|specify|give|provide|include)|"
    r"(?:is|are) not (?:mentioned|stated|specified|given|provided)|"
    r"\bI (?:do not|don't) know\b|no information (?:about|on)|"
    r"资料中没有|(?:段落|资料|文档|文件|文中)(?:中|里)?(?:没有|未|并未|并没有)|我?不知道|(?:未|没有)(?:提及|提到|说明|给出)",
    re.IGNORECASE,
)
_HAN = re.compile(r"[\u3400-\u9fff]")


class Grounding(StrEnum):
    """How an answer relates to its passages."""

    VERIFIED = "verified"
    QUOTED = "quoted"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class GroundedAnswer:
    """The text for the customer, with verified citation marks, and how it came about."""

    text: str
    grounding: Grounding


def is_not_found(text: str) -> bool:
    """Whether a sentence says that the passages do not answer the question."""
    return _NOT_FOUND.search(text) is not None


def not_found_text(question: str) -> str:
    """Return the statement that the documents do not answer, in the question's language."""
    return NOT_FOUND_TEXTS["zh" if _HAN.search(question) else "en"]


def verify(question: str, sentences: Sequence[CheckedSentence]) -> GroundedAnswer | None:
    """Return the answer with verified citations; None if a sentence is not supported.

    An answer that starts by stating that the documents do not answer is reported as such; of the
    sentences that follow, the supported ones stay.
    """
    if sentences and is_not_found(sentences[0].sentence.bare):
        rest = "".join(render(one) for one in sentences[1:] if one.supported_by)
        text = f"{not_found_text(question)} {rest}".strip()
        return GroundedAnswer(text, Grounding.NOT_FOUND)
    if not any(one.supported_by for one in sentences):
        return None
    if not all(one.is_supported for one in sentences):
        return None
    return GroundedAnswer("".join(map(render, sentences)).strip(), Grounding.VERIFIED)


def quote(question: str, passages: Sequence[str]) -> GroundedAnswer:
    """Return the best passage itself as the answer, or the statement that there is none."""
    if not passages:
        return GroundedAnswer(not_found_text(question), Grounding.NOT_FOUND)
    return GroundedAnswer(f"{passages[0].strip()} [1]", Grounding.QUOTED)


def render(checked: CheckedSentence) -> str:
    """Return a sentence with the marks of the passages that support it, before its full stop."""
    text = checked.sentence.text
    marks = "".join(f"[{number}]" for number in checked.citations)
    if checked.sentence.cited == checked.citations or not checked.supported_by:
        return text if checked.supported_by else re.sub(r"\s*" + CITATION.pattern, "", text)
    bare = checked.sentence.bare
    space = text[len(text.rstrip()) :]
    stop = bare[-1] if bare[-1:] in ".。!！?？;；" else ""
    body = bare.removesuffix(stop) if stop else bare
    gap = "" if _HAN.search(bare) else " "
    return f"{body}{gap}{marks}{stop}{space}"
