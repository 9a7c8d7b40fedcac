"""Questions with the one passage that answers each, from the data beside the repository.

English: faults and their descriptions of an aircraft's fault isolation manual (CAMB, CC0), and the
message codes that stand in one description only. Chinese: a sentence and the passage that it was
taken out of (CAMB's training notes), as the inverse cloze task does, since no Chinese questions are
there. None of it was chosen on.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from models.workbook import read_first_sheet

_CODE = re.compile(r"\b\d{2}-\d{5}\b")
_SENTENCE = re.compile(r"[^。\n]+[。\n]")
_SEED = 20261126
_FEWEST_LETTERS = 12


@dataclass(frozen=True, slots=True)
class Corpus:
    """Passages, and questions with the number of the passage that answers each."""

    name: str
    passages: Sequence[str]
    questions: Sequence[tuple[str, int]]


def corpora(directory: Path) -> list[Corpus]:
    faults, codes = _faults(directory / "camb_zh/paircls.xlsx")
    return [faults, codes, _sentences(directory / "camb_zh/cluster.xlsx")]


def _faults(path: Path) -> tuple[Corpus, Corpus]:
    rows = [row[1:] for row in read_first_sheet(path.read_bytes())[1:]]
    pairs = {question: text for question, text, label in rows if label == "1"}
    passages = list(dict.fromkeys(pairs.values()))
    at = {text: number for number, text in enumerate(passages)}
    asked = [(question, at[text]) for question, text in pairs.items()]
    seen = Counter(code for text in passages for code in set(_CODE.findall(text)))
    codes = [
        (f"What does maintenance message {code} mean?", number)
        for number, text in enumerate(passages)
        for code in dict.fromkeys(_CODE.findall(text))
        if seen[code] == 1
    ]
    Random(_SEED).shuffle(codes)  # a sample, no secret
    return (
        Corpus("en: fault to its description", passages, asked),
        Corpus("en: message code to its description", passages, codes[:500]),
    )


def _sentences(path: Path) -> Corpus:
    chance = Random(_SEED)
    passages, questions = [], []
    for number, row in enumerate(read_first_sheet(path.read_bytes())[1:]):
        text = row[2]
        able = [one for one in _SENTENCE.findall(text) if len(one) >= _FEWEST_LETTERS]
        if len(able) > 1:
            taken = chance.choice(able)
            questions.append((taken.strip(), number))
            text = text.replace(taken, "")
        passages.append(text)
    return Corpus("zh: sentence to the passage without it", passages, questions)
