"""The outcome of a checked answer: the answer with verified citations, or the passage itself."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from models.grounding.check import CheckedSentence
from models.grounding.figures import find_figures
from models.grounding.sentences import CITATION
from models.languages import is_chinese, language_of
from models.passages import NOT_FOUND_TEXTS

# What models without the prompt's statement (NOT_FOUND_TEXTS) write instead.
_NOT_FOUND = re.compile(
    r"not in (?:your|the) documents|(?:passages?|documents?|text) (?:do(?:es)? not|don't|doesn't) "
    r"(?:say|state|mention|contain|specify|give|provide|include)|"
    r"(?:is|are) not (?:mentioned|stated|specified|given|provided)|"
    r"\bI (?:do not|don't) know\b|no information (?:about|on)|"
    r"资料中没有|(?:段落|资料|文档|文件|文中)(?:中|里)?(?:没有|未|并未|并没有)|我?不知道|(?:未|没有)(?:提及|提到|说明|给出)",
    re.IGNORECASE,
)


class Grounding(StrEnum):
    """How an answer relates to its passages."""

    VERIFIED = "verified"
    QUOTED = "quoted"
    NOT_FOUND = "not_found"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class GroundedAnswer:
    """The text for the customer, with verified citation marks, and how it came about.

    `quote_start` is where a quoted passage begins, None without one. Of the marks from there on,
    only the last is a citation; others are of the passage.
    """

    text: str
    grounding: Grounding
    quote_start: int | None = None


def is_not_found(text: str) -> bool:
    """Whether a sentence says that the passages do not answer the question."""
    return _NOT_FOUND.search(text) is not None


def not_found_text(question: str) -> str:
    """Return the statement that the documents do not answer, in the question's language."""
    return NOT_FOUND_TEXTS[language_of(question)]


@dataclass(slots=True)
class DraftAnswer:
    """An answer of a model, sentence by sentence, as far as a passage supports it.

    A sentence without a claim waits for a supported one. An answer that starts by stating that the
    documents do not answer becomes that statement; of the sentences that follow, the supported
    ones stay. `unsupported` is the sentence that ended the draft, None while there is none.
    """

    question: str
    grounding: Grounding | None = None
    unsupported: CheckedSentence | None = None
    _waiting: str = ""

    def take(self, checked: CheckedSentence) -> str:
        """Return the text that the next sentence adds to the verified answer, which may be none."""
        if self.unsupported is not None:
            return ""
        if self.grounding is Grounding.NOT_FOUND:
            return _after_statement(checked) if checked.supported_by else ""
        if self.grounding is None and is_not_found(checked.sentence.bare):
            self.grounding, self._waiting = Grounding.NOT_FOUND, ""
            return not_found_text(self.question)
        if not checked.is_supported and not _is_gap(checked):
            self.unsupported = checked
            return ""
        if checked.supported_by:
            self.grounding = Grounding.VERIFIED
        text = self._waiting + render(checked)
        self._waiting = text if self.grounding is None else ""
        return "" if self.grounding is None else text

    def take_rest(self) -> str:
        """Return the sentences that still wait: nothing in them could be checked."""
        waiting, self._waiting = self._waiting, ""
        return waiting


def _after_statement(checked: CheckedSentence) -> str:
    """Return a sentence that follows the statement that the documents do not answer."""
    text = render(checked).strip()
    return text if is_chinese(text) else f" {text}"


def _is_gap(checked: CheckedSentence) -> bool:
    """Whether a sentence says that a part of the question is not answered, and no figure."""
    bare = checked.sentence.bare
    return is_not_found(bare) and not find_figures(bare)


def quote(question: str, passages: Sequence[str], number: int = 1) -> GroundedAnswer:
    """Return a passage itself as the answer, or the statement that there is none."""
    if not passages:
        return GroundedAnswer(not_found_text(question), Grounding.NOT_FOUND)
    return GroundedAnswer(f"{passages[number - 1].strip()} [{number}]", Grounding.QUOTED, 0)


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
    gap = "" if is_chinese(bare) else " "
    return f"{body}{gap}{marks}{stop}{space}"
