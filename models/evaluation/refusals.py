"""Recognise answers that decline a question, in English and Chinese."""

from models.evaluation.normalization import normalize

# How an answer that declines begins.
_PHRASES = tuple(
    normalize(phrase)
    for phrase in (
        "I do not know",
        "I don't know",
        "I cannot",
        "I can't",
        "I am unable to",
        "I'm unable to",
        "I am sorry",
        "I'm sorry",
        "Sorry",
        "Not in your documents",
        "我不知道",
        "不知道",
        "抱歉",
        "很抱歉",
        "对不起",
        "无法回答",
        "我无法",
        "您的文档中没有",
    )
)


def is_refusal(answer: str) -> bool:
    """Return whether an answer is empty or begins by declining the question."""
    text = normalize(answer)
    return not text or text.startswith(_PHRASES)
