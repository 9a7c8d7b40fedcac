"""Check an answer while it is generated: only sentences that a passage supports are released."""

import re
from dataclasses import dataclass, field

from models.grounding.answer import DraftAnswer, GroundedAnswer, Grounding, is_not_found
from models.grounding.check import AnswerChecker, CheckedSentence
from models.grounding.expectation import (
    asks_for_several,
    lacks_asked_figure,
    states_what_is_asked,
)
from models.grounding.families import lacks_asked_item
from models.grounding.sentences import CITATION, Sentence, complete_length, split_sentences

# A longer text without an end of a sentence is checked in parts, so that each check stays short.
MAX_SENTENCE_LENGTH = 1_000
# Shorter ones, such as `Yes.` or a row of a list, may be meant twice.
MIN_REPEATED_LENGTH = 8
_LAST_WHITE_SPACE = re.compile(r"\s(?=\S*$)")
_ENDS_SENTENCE = re.compile(rf"[.!?。！？]\s*(?:{CITATION.pattern}\s*)*$")


@dataclass(slots=True)
class GrowingDraft:
    """One answer of a model as it grows.

    `question` decides the language of statements; `released` is the verified text so far, with
    verified citations, `lacks_answer` whether no sentence states the amount that is asked for, or
    no passage the item. Text of a draft without a check is released as it is. After
    `max_statements` supported sentences, one more if the question asks for several things, the rest
    is left out; the last of them must state an amount if the question asks for one. A short answer
    that denies and then states what is asked is taken without its denial.
    """

    question: str
    checker: AnswerChecker
    max_statements: int | None = None
    released: str = ""
    is_unchecked: bool = False
    lacks_answer: bool = False
    _sentences: list[CheckedSentence] = field(default_factory=list)
    _draft: DraftAnswer = field(init=False)
    _incomplete: str = ""
    _held: str = ""
    _has_no_claim: bool = False
    _denial: CheckedSentence | None = None
    _written: set[str] = field(default_factory=set)
    _statements: int = 0

    def __post_init__(self) -> None:
        if self.max_statements is not None and asks_for_several(self.question):
            self.max_statements += 1
        self._draft = DraftAnswer(self.question)

    @property
    def text(self) -> str:
        """Return the text of the model, released or not."""
        return "".join(one.sentence.text for one in self._sentences) + self._incomplete

    @property
    def is_rejected(self) -> bool:
        """Whether no passage supports a sentence, or the draft ended without a claim."""
        return not self.is_unchecked and (self._has_no_claim or self._draft.unsupported is not None)

    @property
    def is_holding(self) -> bool:
        """Whether text is held back that may still be released."""
        return bool(self._held or self._incomplete) and not self.is_rejected

    @property
    def grounding(self) -> Grounding | None:
        """Return how the released text relates to the passages; None before the first claim."""
        return Grounding.UNCHECKED if self.is_unchecked else self._draft.grounding

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the claims of all checked sentences that are in no passage, each once."""
        claims = (claim for one in self._sentences for claim in one.missing)
        return tuple(dict.fromkeys(claims))

    def feed(self, text: str) -> str:
        """Take the next text of the model and return what may be released."""
        if self.is_unchecked:
            return self._release(text)
        self._incomplete += text
        length = complete_length(self._incomplete) or _part_length(self._incomplete)
        complete, self._incomplete = self._incomplete[:length], self._incomplete[length:]
        return self._release(self._check(complete))

    def finish(self, is_cut: bool = False) -> str:
        """Return what may be released of the rest, once the model has ended.

        `is_cut`: a limit ended the answer. Its last sentence is then incomplete, and is released
        without a check and without citations.
        """
        rest, self._incomplete = self._incomplete, ""
        if self.is_unchecked:
            return ""
        if is_cut and self._denial is None and self._is_open(rest):
            released = self._draft.take_rest() + CITATION.sub("", rest)
            self.is_unchecked = self._draft.grounding is None
            return self._release(released)
        released = self._check(rest) + self._take_denial()
        self._has_no_claim = self._draft.grounding is None
        return self._release(released)

    def release_unchecked(self) -> str:
        """End the checks and return all text that was held back."""
        held, self._held, self._incomplete = self._held + self._incomplete, "", ""
        self.is_unchecked = True
        return self._release(held)

    def withdraw(self) -> None:
        """Forget the released text of a rejected draft of which nothing was sent."""
        self.released = ""

    @property
    def _is_whole(self) -> bool:
        """Whether the draft has all statements that it may have."""
        return self.max_statements is not None and self._statements >= self.max_statements

    def _is_open(self, rest: str) -> bool:
        """Whether the rest of a cut answer is an incomplete sentence that may be released."""
        is_answer = self._draft.grounding is not Grounding.NOT_FOUND and not self.is_rejected
        is_answer = is_answer and not self._is_whole
        return is_answer and _ENDS_SENTENCE.search(rest) is None

    def _check(self, text: str) -> str:
        """Check the sentences of a text and return what may be released.

        Small models repeat sentences: each is released once.
        """
        released = ""
        for sentence in split_sentences(text):
            if self._is_whole:
                break
            if len(sentence.bare) >= MIN_REPEATED_LENGTH and sentence.bare in self._written:
                continue
            self._written.add(sentence.bare)
            released += self._take_sentence(sentence)
        return released

    def _take_sentence(self, sentence: Sentence) -> str:
        """Check a sentence and return what may be released; a denial waits for what follows."""
        checked = self._check_sentence(sentence)
        if self._is_first_denial(sentence):
            self._denial = checked
            self._held += sentence.text
            return ""
        released = ""
        if self._denial is not None:
            is_answer = bool(checked.supported_by) and not is_not_found(sentence.bare)
            if is_answer and states_what_is_asked(self.question, sentence.bare):
                self._denial, self._held = None, ""
            else:
                released = self._take_denial()
        return released + self._take_checked(checked)

    def _is_first_denial(self, sentence: Sentence) -> bool:
        """Whether a short answer starts with this statement that the documents do not answer."""
        is_first = self._draft.grounding is None and self._denial is None
        return is_first and self.max_statements is not None and is_not_found(sentence.bare)

    def _take_denial(self) -> str:
        """Return the statement that the documents do not answer, if the answer started with it."""
        denial, self._denial = self._denial, None
        return "" if denial is None else self._take_checked(denial)

    def _take_checked(self, checked: CheckedSentence) -> str:
        """Add a checked sentence to the answer and return what may be released."""
        self._sentences.append(checked)
        part = self._draft.take(checked)
        self._statements += bool(checked.supported_by) and checked.is_supported
        self._held = "" if part else self._held + checked.sentence.text
        return part

    def _check_sentence(self, sentence: Sentence) -> CheckedSentence:
        """Check a sentence; the last one of a short answer must hold what is asked."""
        checked = self.checker.check_sentence(sentence)
        is_last = self.max_statements is not None and self._statements + 1 >= self.max_statements
        text = "".join(one.sentence.bare for one in self._sentences) + sentence.bare
        if is_last and checked.supported_by and self._lacks_asked(text):
            self.lacks_answer = True
            return CheckedSentence(sentence, (), (sentence.bare,))
        return checked

    def _lacks_asked(self, text: str) -> bool:
        """Whether a text has not the amount, or the passages not the item, that is asked for."""
        return lacks_asked_figure(self.question, text) or lacks_asked_item(
            self.question, self.checker.passages
        )

    def _release(self, text: str) -> str:
        """Record and return released text."""
        self.released += text
        return text


def verify(
    question: str, checker: AnswerChecker, text: str, max_statements: int | None = None
) -> GroundedAnswer | None:
    """Return a complete answer with verified citations; None if a sentence is not supported."""
    draft = GrowingDraft(question, checker, max_statements)
    draft.feed(text)
    draft.finish()
    if draft.grounding is None or draft.is_rejected:
        return None
    return GroundedAnswer(draft.released.strip(), draft.grounding)


def _part_length(text: str) -> int:
    """Return how much of a text without an end of a sentence to check: none until it is long."""
    if len(text) <= MAX_SENTENCE_LENGTH:
        return 0
    space = _LAST_WHITE_SPACE.search(text)
    return space.end() if space else len(text)
