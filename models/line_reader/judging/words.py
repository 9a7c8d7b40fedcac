"""Words of a question and of lines without those that only make it a question."""

import re
import unicodedata

from models.languages import HAN

_CHINESE_QUESTION_WORDS = re.compile(
    "多少|多久|多长时间|多长|怎么|怎样|什么|哪里|哪儿|哪个|哪家|哪种|哪些|哪几|哪|几|吗|呢|啊|呀|来着|"
    "是不是|能不能|可不可以|可以|应该|需要|一般|请问|一下|干啥|咋办|咋|啥|谁|这|那|的|了|是|要|能|得|到|"
    "在|给|把|有|用|和|与|个|上|下|里|时候|时|后|前|就|才|不|没|多|大|我们|我|你|它|该|会|去|来|找|让|算|"
    "跟|为|着|过|还|也|都|最|每|及|或|由|从|对|应|须|必须|可"
)
_ENGLISH_QUESTION_WORDS = frozenset(
    "what which when where who whom why how does do did is are was were the a an of in on at "
    "to for and or if it its this that with from by be has have can may must should need "
    "needs will long often much many there we i you our my your get gets got one any not no "
    "than then as into out up about before after".split()
)
_ENGLISH_WORD = re.compile(r"[a-z][a-z\-]{2,}")
_CHINESE_RUN = re.compile(f"[{HAN}]+")
_STEM_LENGTH = 6


def content_words(text: str) -> frozenset[str]:
    """Return English stems and Chinese pairs of characters that carry meaning."""
    normal = unicodedata.normalize("NFKC", text).lower()
    found: set[str] = set()
    for word in _ENGLISH_WORD.findall(normal):
        if word not in _ENGLISH_QUESTION_WORDS:
            is_long = len(word) > _STEM_LENGTH
            found.add(word[:_STEM_LENGTH] if is_long else word.rstrip("s"))
    for run in _CHINESE_RUN.findall(normal):
        for part in _CHINESE_QUESTION_WORDS.split(run):
            if len(part) == 1:
                found.add(part)
            found.update(part[start : start + 2] for start in range(len(part) - 1))
    return frozenset(found)


def is_mostly_chinese(text: str) -> bool:
    """Whether a text is Chinese, also if it has codes and units."""
    return len(re.findall(f"[{HAN}]", text)) > 0.2 * len(text)
