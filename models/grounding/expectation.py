"""What a short answer must hold, as far as the words of the question tell.

A small model answers `How much runout may the shaft have?` with a sentence on runout that is in the
documents and states no figure. Such a sentence is supported, and no answer.
"""

import re

from models.grounding.figures import find_figures, find_number_words

_ASKS_FOR_FIGURE = re.compile(
    r"\bhow (?:much|many|hot|cold|long|often|far|fast|tight|hard|high|deep|thick|wide|big|large|"
    r"heavy|old)\b|\b(?:at )?what (?:temperature|pressure|speed|torque|voltage|current|interval)\b|"
    r"多少|多大|多久|多长|多厚|多高|多远|多重|多快|多深|多宽|多热|"
    r"几(?:度|个|公斤|次|天|遍|分钟|小时|毫米|台|人|点|件|道|年|月|周|米|升|千瓦)",
    re.IGNORECASE,
)
# Amounts and intervals without a number, and statements that there is none.
_AMOUNT = re.compile(
    r"\b(?:every|each|daily|weekly|monthly|yearly|annually|hourly|once|twice|one|no|none|never|not|"
    r"always|until|half|full|first|second|third)\b|每|次|不|无|任何|全部|直到|一直|第|班",
    re.IGNORECASE,
)
_ASKS_FOR_SEVERAL = re.compile(
    r"\b(?:both|each|respectively|the two)\b|分别|各自|各(?=要|应|设|是|为|用|有|压|多)|"
    r"两(?:台|个|种|条|处)",
    re.IGNORECASE,
)


def lacks_asked_figure(question: str, sentence: str) -> bool:
    """Whether the question asks for an amount, and the sentence has none."""
    if _ASKS_FOR_FIGURE.search(question) is None or _AMOUNT.search(sentence):
        return False
    return not find_figures(sentence) and not find_number_words(sentence)


def asks_for_several(question: str) -> bool:
    """Whether the question asks the same of two things or more."""
    return _ASKS_FOR_SEVERAL.search(question) is not None
