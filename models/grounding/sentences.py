"""Split an answer into sentences with the numbers of the passages that each cites."""

import re
from dataclasses import dataclass

# As in `[1]`, `[1, 2]` and `【1】`.
CITATION = re.compile(r"[\[【]\s*(\d{1,2}(?:\s*[,，、]\s*\d{1,2})*)\s*[\]】]")
# A full stop ends a sentence unless it is part of a number, an abbreviation or a list marker.
_END = re.compile(
    r"(?:(?<!\be\.g)(?<!\bi\.e)(?<!\bapprox)(?<!\bmax)(?<!\bmin)(?<!\bno)(?<!^\d)(?<!\s\d)"
    r"(?<!^\d\d)(?<!\s\d\d)"
    # Initials, as in `J. Abernathy`.
    r"(?-i:(?<!\s[A-Z])(?<!^[A-Z])(?<![\u3400-\u9fff][A-Z]))"
    r"[.!?](?=\s|$|[\[【])|[。！？!?]|\n)",
    re.IGNORECASE,
)
_TRAILING_MARKS = re.compile(rf"(?:\s*{CITATION.pattern})+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as it is written, its text without citation marks, and the passages it cites."""

    text: str
    bare: str
    cited: tuple[int, ...]


def split_sentences(answer: str) -> tuple[Sentence, ...]:
    """Return the sentences of an answer; joined, their texts are the answer.

    A mark after the full stop belongs to the sentence before it.
    """
    sentences, start = [], 0
    while start < len(answer):
        end = _find_end(answer, start)
        sentences.append(_parse(answer[start:end]))
        start = end
    return tuple(sentences)


def complete_length(answer: str) -> int:
    """Return how many characters at the start of a growing answer are complete sentences.

    The last sentence counts once the next one has begun: a mark may still follow its full stop.
    """
    start, complete = 0, 0
    while start < len(answer):
        end = _find_end(answer, start)
        if end == len(answer):
            break
        start = complete = end
    return complete


def _find_end(answer: str, start: int) -> int:
    """Return the end of the sentence at `start`, after its marks and the white space behind."""
    match = _END.search(answer, start)
    if match is None:
        return len(answer)
    end = match.end()
    marks = _TRAILING_MARKS.match(answer, end)
    end = marks.end() if marks else end
    while end < len(answer) and (answer[end].isspace() or answer[end] in ".。"):
        end += 1
    return end


def _parse(text: str) -> Sentence:
    """Return the sentence with the numbers of its citation marks, each once, in order."""
    numbers = [int(n) for mark in CITATION.finditer(text) for n in re.findall(r"\d+", mark[1])]
    bare = re.sub(r"(?<!\s)\s+(?=[.。])", "", CITATION.sub("", text)).strip()
    return Sentence(text, bare, tuple(dict.fromkeys(numbers)))
