"""What a question asks for: a figure, a code, a person, an interval, a reason, a place, steps."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.grounding.expectation import asked_units, asks_for_code, asks_for_figure
from models.line_reader.judging.concepts import Concepts
from models.line_reader.judging.text_facts import TextFacts, describe_text

_ASKS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        name: re.compile(pattern, re.IGNORECASE)
        for name, pattern in (
            (
                "person",
                r"谁|哪个人|哪位|负责人|联系人|找哪|哪家|跟谁|"
                r"\bwho\b|\bwhom\b|whose|contact person",
            ),
            (
                "interval",
                r"多久.{0,8}(?:一次|换|洗|做|测|查|加|检|校|更)|周期|几(?:个月|天|年|周|小时).{0,3}"
                r"(?:一次|一换)|频次|频率|隔多|多长时间.{0,6}(?:一次|换)|"
                r"how often|interval|how frequently",
            ),
            (
                "reason",
                r"为什么|为啥|原因|怎么回事|咋回事|为何|哪儿坏|是什么意思|什么情况|\bwhy\b|reason|cause|behind|"
                r"what does .* mean",
            ),
            (
                "permission",
                r"吗|能不能|可不可以|能否|是否|行不行|"
                r"\b(?:can|may|is it|are we|am i|is there|does|do we|should)\b.*\?",
            ),
            ("place", r"哪里|哪儿|在哪|什么地方|放哪|哪个(?:库|货|柜|区)|\bwhere\b"),
            (
                "order",
                r"怎么(?:办|弄|处理|做|换|调|装|拆|清|复|解)|咋[办弄]|如何|步骤|第一步|先(?:做|干|查)|"
                r"\bhow (?:do|to|can|should)\b|what (?:should|do) (?:i|we)|what to do",
            ),
            (
                "when",
                r"什么时候|何时|哪天|几点|几月|\bwhen\b|what (?:day|date|time)",
            ),
            ("phone", r"电话|号码|手机|分机|phone|extension|call.*number"),
            ("money", r"多少钱|价格|价钱|单价|贵|price|how much does .* cost|cost of"),
        )
    }
)
_FACTS = frozenset({"person", "interval", "when", "phone", "money", "place"})


@dataclass(frozen=True, slots=True)
class QuestionFacts:
    """What a question holds and asks for."""

    facts: TextFacts
    asks_figure: bool
    asks_code: bool
    units: frozenset[str]
    kinds: frozenset[str]


def describe_question(concepts: Concepts, question: str) -> QuestionFacts:
    """Return what a question holds and asks for."""
    return QuestionFacts(
        describe_text(concepts, question),
        asks_for_figure(question),
        asks_for_code(question),
        asked_units(question),
        frozenset(name for name, pattern in _ASKS.items() if pattern.search(question)),
    )


def asks_for_fact(concepts: Concepts, question: str) -> bool:
    """Whether a question asks for what only documents of the plant tell, or names an item."""
    asked = describe_question(concepts, question)
    is_asked = asked.asks_figure or asked.asks_code or bool(asked.facts.codes)
    return is_asked or not asked.kinds.isdisjoint(_FACTS)
