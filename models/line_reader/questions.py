"""What a line cannot answer: requests to work on texts."""

import re

_TASK = re.compile(
    r"summar|translat|\b(?:rewrite|rephrase|explain|compare|draft|write|list|outline)\b|"
    r"总结|概括|摘要|翻译|改写|解释|对比|比较|写一|起草|列出|归纳",
    re.IGNORECASE,
)


def is_task(text: str) -> bool:
    """Whether a text asks for a summary, a translation, a comparison or the like."""
    return _TASK.search(text) is not None
