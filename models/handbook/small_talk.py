"""Recognise messages that ask nothing, such as a greeting, for which no passage is searched."""

import re

_WORDS = (
    r"hi|hello|hey|good (?:morning|afternoon|evening)|thanks?|thank you(?: very much)?|many thanks|"
    r"ok(?:ay)?|great|good|bye|goodbye|see you|how are you|who are you|what can you do|"
    r"你好|您好|大家好|早上好|上午好|中午好|下午好|晚上好|谢谢|多谢|谢谢你|谢谢您|辛苦了|好的|好|嗯|行|明白了|知道了|收到|"
    r"再见|拜拜|你是谁|您是谁|你能做什么|您能做什么|你会什么"
)
_BETWEEN = r"[\s,.!?;:~，。！？；：～、…]*"
_SMALL_TALK = re.compile(
    rf"{_BETWEEN}(?:(?:{_WORDS})(?:\s+(?:there|everyone|all|again))?(?:[啊呀哦呢吗了])?{_BETWEEN})+",
    re.IGNORECASE,
)
_MAX_LENGTH = 60


def is_small_talk(text: str) -> bool:
    """Whether a message consists of greetings, thanks and the like."""
    return len(text) <= _MAX_LENGTH and _SMALL_TALK.fullmatch(text) is not None
