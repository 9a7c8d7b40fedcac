"""Pick the line of passages that answers a question, or say that none does.

encode question and lines apart -> compare them -> judge the best by their words -> quote or not
"""

from collections.abc import Sequence
from pathlib import Path
from struct import error as StructError
from zipfile import BadZipFile

from models.line_reader.comparing import EncodedLine, compare
from models.line_reader.encoder_file import find_file, read_encoder
from models.line_reader.encoding import load_text_encoder
from models.line_reader.judging.judge import Judge, Judgement, load_judge
from models.line_reader.judging.question_facts import asks_for_fact
from models.line_reader.line_cache import LineCache
from models.line_reader.lines import Line
from models.line_reader.weights import WEIGHTS_FILE, TrainedWeights, WeightsMismatch, load_weights
from models.multilingual import EncoderMissing

# A missing package, weights of another version, and files that are cut or no such files.
_UNREADABLE = (
    EncoderMissing,
    WeightsMismatch,
    OSError,
    ValueError,
    KeyError,
    BadZipFile,
    EOFError,
    StructError,
)


class LineReaderMissing(RuntimeError):
    """The packaged encoder is not installed, belongs to other weights, or a file is damaged."""


class LineReader:
    """Reads lines. Not thread-safe."""

    def __init__(self, cache: LineCache, trained: TrainedWeights, judge: Judge) -> None:
        self._cache = cache
        self._trained = trained
        self._judge = judge

    def read(self, account: str, question: str, lines: Sequence[Line]) -> Judgement | None:
        """Return the likeliest of an account's lines. None without a line or a question."""
        if not lines or not question.strip():
            return None
        asked = self._cache.encode_question(question)
        encoded = self._cache.encode_lines(account, [line.shown for line in lines])
        pairs = [EncodedLine(*pair) for pair in zip(lines, encoded, strict=True)]
        compared = compare(self._trained.heads, question, asked, pairs)
        return self._judge.judge(question, lines, compared)

    def asks_for_fact(self, question: str) -> bool:
        """Whether a question asks for a figure, a code, a person, a date or a place."""
        return asks_for_fact(self._judge.concepts, question)


def load_reader(source: Path = WEIGHTS_FILE) -> LineReader:
    """Load the reader, 200 MB in three seconds. Raises LineReaderMissing."""
    try:
        file = read_encoder(find_file())
        trained, judge = load_weights(file, source), load_judge()
    except _UNREADABLE as error:
        raise LineReaderMissing(str(error) or type(error).__name__) from error
    cache = LineCache(load_text_encoder(file, trained.layers, trained.heads))
    return LineReader(cache, trained, judge)
