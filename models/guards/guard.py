"""Check texts against the rules of a policy: refuse them, or mask what a rule names."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

from models.guards.normalization import NormalizedText, normalize
from models.guards.policy import Action, Category, Direction, GuardPolicy, Rule, RuleKind
from models.guards.words import WordMatcher
from models.personal_data import find_personal_data

_WORD_MASK = "<REMOVED>"
# The kinds of models/personal_data.py; `COMPANY_ID` prevents that a part of it is found.
_KINDS = MappingProxyType(
    {
        Category.RESIDENT_ID: "ID_NUMBER",
        Category.PHONE: "PHONE",
        Category.BANK_CARD: "CARD",
        Category.EMAIL: "EMAIL",
    }
)
_LOOKED_FOR = (*_KINDS.values(), "COMPANY_ID", "IBAN")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The text that may be passed on, the kinds of rules that masked, or the one that refused.

    The text of a refused one is empty.
    """

    text: str
    masked_by: tuple[RuleKind, ...] = ()
    refused_by: RuleKind | None = None


@dataclass(frozen=True, slots=True)
class _Finding:
    """A range of the original text that a rule names, and what masks it."""

    start: int
    end: int
    mask: str
    kind: RuleKind


class _RuleFinder:
    """Finds what one rule names."""

    def __init__(self, rule: Rule) -> None:
        self.action, self._kind = rule.action, rule.kind
        self._words = WordMatcher(rule.words) if rule.words else None
        self._kinds = frozenset(_KINDS[category] for category in rule.categories)

    def find(self, text: NormalizedText) -> Iterator[_Finding]:
        """Yield what the rule names in a text."""
        if self._words is not None:
            for start, end in self._words.find(text.text):
                yield _Finding(*text.original_range(start, end), _WORD_MASK, self._kind)
            return
        for match in find_personal_data(text.text, kinds=_LOOKED_FOR):
            if match.kind in self._kinds:
                original = text.original_range(match.start, match.end)
                yield _Finding(*original, f"<{match.kind}>", self._kind)


class TextGuard:
    """The rules of a policy for one direction; rules that refuse are checked before others."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        finders = [_RuleFinder(rule) for rule in rules]
        self._refusing = [one for one in finders if one.action is Action.REFUSE]
        self._masking = [one for one in finders if one.action is Action.MASK]

    def check(self, text: str) -> Verdict:
        """Return the text with its matches masked, or which kind of rule refuses it."""
        normalized = normalize(text)
        for finder in self._refusing:
            for finding in finder.find(normalized):
                return Verdict("", refused_by=finding.kind)
        findings = [finding for finder in self._masking for finding in finder.find(normalized)]
        if not findings:
            return Verdict(text)
        return Verdict(_mask(text, findings), tuple({one.kind: None for one in findings}))


@dataclass(frozen=True, slots=True)
class Guard:
    """An account's compiled policy: what checks input and output, None if no rule applies.

    Models are asked by the rules in `input_models` and `output_models`.
    """

    input: TextGuard | None
    output: TextGuard | None
    input_models: tuple[Rule, ...] = ()
    output_models: tuple[Rule, ...] = ()

    @property
    def asks_models(self) -> bool:
        """Whether a rule asks a model."""
        return bool(self.input_models or self.output_models)


def compile_guard(policy: GuardPolicy) -> Guard:
    """Return what checks texts against a policy. Takes milliseconds for thousands of words."""
    return Guard(
        _for(policy, Direction.INPUT),
        _for(policy, Direction.OUTPUT),
        _models_for(policy, Direction.INPUT),
        _models_for(policy, Direction.OUTPUT),
    )


def _models_for(policy: GuardPolicy, direction: Direction) -> tuple[Rule, ...]:
    """Return the rules that ask models about the texts of one direction."""
    return tuple(
        rule for rule in policy.rules if rule.kind is RuleKind.MODEL and rule.covers(direction)
    )


def _for(policy: GuardPolicy, direction: Direction) -> TextGuard | None:
    """Return what checks the texts of one direction; None if no rule applies to it."""
    rules = tuple(
        rule for rule in policy.rules if rule.kind is not RuleKind.MODEL and rule.covers(direction)
    )
    return TextGuard(rules) if rules else None


def _mask(text: str, findings: list[_Finding]) -> str:
    """Return the text with a mask in place of each finding; overlapping ones get one mask."""
    parts, end = [], 0
    for finding in sorted(findings, key=lambda one: (one.start, -one.end)):
        if finding.start >= end:
            parts += [text[end : finding.start], finding.mask]
        end = max(end, finding.end)
    return "".join([*parts, text[end:]])
