"""The two prompts that ask a language model whether a line answers a question, and its reply.

question, line -> two chats of one token -> log-odds of Yes against No

One prompt has examples, the other a plain question after the line: they err differently. The
examples come first, so that an engine with prefix caching computes them once.
"""

import math
from collections.abc import Iterator

from models.decision_calibration.prompts import Message
from models.decision_calibration.scoring import TokenLogprobs

_EXAMPLES_SYSTEM = (
    "You check whether a text from a plant's documents states the answer to a question. A text on "
    "the same subject that does not state it, or states it of another item, is No. Answer Yes or "
    "No."
)
_EXAMPLES = (
    (
        "How often is the filter of P-3 changed?",
        "P-3 | The oil filter is changed every 500 h.",
        True,
    ),
    (
        "How often is the filter of P-3 changed?",
        "P-4 | The oil filter is changed every 800 h.",
        False,
    ),
    ("泵的轴承多久加一次油?", "润滑 | 轴承用 2 号锂基脂润滑,每次 20 g。", False),
    ("泵的轴承多久加一次油?", "润滑 | 轴承每 2000 小时补一次脂。", True),
    (
        "Who approves a change of the set point?",
        "Changes | The shift leader approves changes of set points.",
        True,
    ),
    ("谁批准动火作业?", "动火 | 动火作业前清除 10 m 内的可燃物。", False),
)
_PLAIN_SYSTEM = (
    "You check whether a text from a plant's documents answers a question. Answer with one word: "
    "Yes or No."
)
_PLAIN_ASK = "Does the text state what the question asks for, of the same item?"
_REPLIES = {True: "Yes", False: "No"}
_YES, _NO = frozenset({"yes", "是"}), frozenset({"no", "否", "不"})


def check_prompts(question: str, line: str) -> tuple[list[Message], list[Message]]:
    """Return the chats with examples and without; `line` has its heading before it."""
    plain = [
        {"role": "system", "content": _PLAIN_SYSTEM},
        {"role": "user", "content": f"Text: {line}\nQuestion: {question}\n{_PLAIN_ASK}"},
    ]
    return list(_with_examples(question, line)), plain


def yes_margin(tokens: TokenLogprobs) -> float:
    """Return the log-odds of Yes against No from the most likely first tokens.

    A word that is not among them counts as less likely than all of them. 0 without tokens.
    """
    floor = min((logprob for _, logprob in tokens), default=0.0) - 1
    return _log_sum(tokens, _YES, floor) - _log_sum(tokens, _NO, floor)


def _with_examples(question: str, line: str) -> Iterator[Message]:
    yield {"role": "system", "content": _EXAMPLES_SYSTEM}
    for asked, text, answers in _EXAMPLES:
        yield {"role": "user", "content": _pair(asked, text)}
        yield {"role": "assistant", "content": _REPLIES[answers]}
    yield {"role": "user", "content": _pair(question, line)}


def _pair(question: str, line: str) -> str:
    return f"Question: {question}\nText: {line}"


def _log_sum(tokens: TokenLogprobs, words: frozenset[str], floor: float) -> float:
    found = [math.exp(logprob) for token, logprob in tokens if token.strip().lower() in words]
    return math.log(sum(found)) if any(found) else floor
