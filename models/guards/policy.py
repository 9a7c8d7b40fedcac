"""An account's guard policy: rules that refuse or mask words and personal data in texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from infra.errors import AppError
from models.guards.words import tokenize

_Value = TypeVar("_Value", bound=StrEnum)
MAX_RULES = 20
MAX_WORDS = 2_000
MAX_WORD_LENGTH = 100
MAX_MODEL_RULES = 2
DEFAULT_TIMEOUT_MS, MIN_TIMEOUT_MS, MAX_TIMEOUT_MS = 3_000, 100, 30_000


class RuleKind(StrEnum):
    """What a rule looks for."""

    WORDS = "words"
    PERSONAL_DATA = "personal_data"
    MODEL = "model"


class Action(StrEnum):
    """What happens to a text with a match: the call or answer ends, or the match is replaced."""

    REFUSE = "refuse"
    MASK = "mask"


class Direction(StrEnum):
    """Which texts a rule applies to: those that clients send, those that models answer, or both."""

    INPUT = "input"
    OUTPUT = "output"
    BOTH = "both"


class OnFailure(StrEnum):
    """What happens to a text if the model of a rule fails or takes too long."""

    REFUSE = "refuse"
    ALLOW = "allow"


class OnControversial(StrEnum):
    """What happens to a text that a guard model calls controversial: neither safe nor unsafe."""

    REFUSE = "refuse"
    ALLOW = "allow"


class Category(StrEnum):
    """A category of personal data. Numbers of companies are none."""

    RESIDENT_ID = "resident_id"
    PHONE = "phone"
    BANK_CARD = "bank_card"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `words` if it looks for words, `categories` if it looks for personal data.

    Or `model`, a moderation model of the catalog that is asked within `timeout_ms`.
    """

    kind: RuleKind
    action: Action
    applies_to: Direction
    words: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    model: str = ""
    on_failure: OnFailure = OnFailure.REFUSE
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    on_controversial: OnControversial = OnControversial.REFUSE

    def covers(self, direction: Direction) -> bool:
        """Whether the rule applies to input or to output."""
        return self.applies_to in (direction, Direction.BOTH)

    def summary(self) -> str:
        """Return the rule as a text, such as `words refuse both 12`, without its words."""
        what = self.model or str(len(self.words) or "+".join(self.categories))
        return f"{self.kind.value} {self.action.value} {self.applies_to.value} {what}"

    def to_json(self) -> dict[str, Any]:
        """Return the rule as the API shows it and the database stores it."""
        found: dict[str, Any]
        match self.kind:
            case RuleKind.WORDS:
                found = {"words": list(self.words)}
            case RuleKind.PERSONAL_DATA:
                found = {"categories": [category.value for category in self.categories]}
            case RuleKind.MODEL:
                found = {
                    "model": self.model,
                    "on_failure": self.on_failure.value,
                    "on_controversial": self.on_controversial.value,
                    "timeout_ms": self.timeout_ms,
                }
        head = {"kind": self.kind.value, "action": self.action.value}
        return {**head, "applies_to": self.applies_to.value, **found}


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """The rules of an account, in the order in which they were given."""

    rules: tuple[Rule, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Return the rules as the API shows them and the database stores them."""
        return [rule.to_json() for rule in self.rules]

    def summary(self) -> list[str]:
        """Return the rules for the audit log: of words, only how many there are."""
        return [rule.summary() for rule in self.rules]


class GuardInvalid(AppError):
    """A guard policy is not valid; `param` names the field, such as `rules[0].words`."""

    status = 400
    type = "invalid_request_error"
    code = "guard_invalid"


def parse_policy(rules: Sequence[Mapping[str, Any]]) -> GuardPolicy:
    """Parse the rules of a policy from JSON values. Raises GuardInvalid."""
    if not 0 < len(rules) <= MAX_RULES:
        raise GuardInvalid(f"A guard has 1 to {MAX_RULES} rules.", param="rules")
    parsed = tuple(_parse_rule(rule, f"rules[{n}]") for n, rule in enumerate(rules))
    if sum(rule.kind is RuleKind.MODEL for rule in parsed) > MAX_MODEL_RULES:
        raise GuardInvalid(f"A guard asks at most {MAX_MODEL_RULES} models.", param="rules")
    return GuardPolicy(parsed)


_FIELDS: Mapping[RuleKind, frozenset[str]] = MappingProxyType(
    {
        RuleKind.WORDS: frozenset({"words"}),
        RuleKind.PERSONAL_DATA: frozenset({"categories"}),
        RuleKind.MODEL: frozenset({"model", "on_failure", "on_controversial", "timeout_ms"}),
    }
)


def _parse_rule(rule: Mapping[str, Any], path: str) -> Rule:
    """Parse one rule. Raises GuardInvalid."""
    kind = _choice(rule, "kind", RuleKind, path)
    unknown = rule.keys() - {"kind", "action", "applies_to", *_FIELDS[kind]}
    if unknown:
        name = f"{path}.{min(unknown)[:60]}"
        raise GuardInvalid(f"`{name}` is not a field of this kind of rule.", param=name)
    action = _choice(rule, "action", Action, path)
    applies_to = _choice(rule, "applies_to", Direction, path)
    if kind is RuleKind.WORDS:
        return Rule(kind, action, applies_to, words=_parse_words(rule, f"{path}.words"))
    if kind is RuleKind.PERSONAL_DATA:
        return Rule(kind, action, applies_to, categories=_parse_categories(rule, path))
    return _parse_model_rule(rule, action, applies_to, path)


def _parse_model_rule(
    rule: Mapping[str, Any], action: Action, applies_to: Direction, path: str
) -> Rule:
    """Parse a rule that asks a model. Raises GuardInvalid."""
    if action is not Action.REFUSE:
        param = f"{path}.action"
        raise GuardInvalid(f"`{param}` must be refuse: a model masks nothing.", param=param)
    model, timeout = rule.get("model"), rule.get("timeout_ms", DEFAULT_TIMEOUT_MS)
    if not isinstance(model, str) or not 0 < len(model) <= MAX_WORD_LENGTH:
        raise GuardInvalid(f"`{path}.model` must be a model id.", param=f"{path}.model")
    is_number = isinstance(timeout, int) and not isinstance(timeout, bool)
    if not is_number or not MIN_TIMEOUT_MS <= timeout <= MAX_TIMEOUT_MS:
        param = f"{path}.timeout_ms"
        limits = f"{MIN_TIMEOUT_MS} to {MAX_TIMEOUT_MS}"
        raise GuardInvalid(f"`{param}` must be a whole number from {limits}.", param=param)
    given = {"on_failure": OnFailure.REFUSE, "on_controversial": OnControversial.REFUSE, **rule}
    return Rule(
        RuleKind.MODEL,
        action,
        applies_to,
        model=model,
        on_failure=_choice(given, "on_failure", OnFailure, path),
        timeout_ms=timeout,
        on_controversial=_choice(given, "on_controversial", OnControversial, path),
    )


def _parse_words(rule: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """Parse a list of words, each once. Raises GuardInvalid."""
    words = rule.get("words")
    if not isinstance(words, list) or not 0 < len(words) <= MAX_WORDS:
        raise GuardInvalid(f"`{path}` must be a list of 1 to {MAX_WORDS} words.", param=path)
    for number, word in enumerate(words):
        is_text = isinstance(word, str) and len(word) <= MAX_WORD_LENGTH
        if not is_text or "\x00" in word or not tokenize(word).texts:
            raise GuardInvalid(
                f"`{path}[{number}]` must be a text of at most {MAX_WORD_LENGTH} characters with "
                "a letter or digit.",
                param=f"{path}[{number}]",
            )
    return tuple(dict.fromkeys(word.strip() for word in words))


def _parse_categories(rule: Mapping[str, Any], path: str) -> tuple[Category, ...]:
    """Parse the categories of personal data, in a fixed order. Raises GuardInvalid."""
    names = rule.get("categories")
    known = [category.value for category in Category]
    is_list = isinstance(names, list) and bool(names)
    if not is_list or any(name not in known for name in names or ()):
        raise GuardInvalid(
            f"`{path}.categories` must be a list of {', '.join(known)}.", param=f"{path}.categories"
        )
    return tuple(category for category in Category if category.value in (names or ()))


def _choice(rule: Mapping[str, Any], name: str, values: type[_Value], path: str) -> _Value:
    """Return a field that has one of several values. Raises GuardInvalid."""
    try:
        return values(str(rule.get(name)))
    except ValueError:
        known = ", ".join(value.value for value in values)
        raise GuardInvalid(
            f"`{path}.{name}` must be one of {known}.", param=f"{path}.{name}"
        ) from None
