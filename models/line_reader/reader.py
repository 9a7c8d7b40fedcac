"""Pick the line of passages that answers a question, or say that none does.

encode question and lines apart -> compare them -> is the margin of the best line large enough?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import error as StructError
from zipfile import BadZipFile

from models.line_reader.comparing import EncodedLine, compare
from models.line_reader.encoder_file import find_file, read_encoder
from models.line_reader.encoding import load_text_encoder
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


@dataclass(frozen=True, slots=True)
class Reading:
    """The likeliest line, and by how much its score exceeds that of no line answering."""

    line: int
    margin: float
    is_answer: bool


class LineReader:
    """Reads lines. Not thread-safe."""

    def __init__(self, cache: LineCache, trained: TrainedWeights) -> None:
        self._cache = cache
        self._trained = trained

    def read(self, account: str, question: str, lines: Sequence[Line]) -> Reading | None:
        """Return the likeliest of an account's lines. None without a line or a question."""
        if not lines or not question.strip():
            return None
        asked = self._cache.encode_question(question)
        encoded = self._cache.encode_lines(account, [line.shown for line in lines])
        pairs = [EncodedLine(*pair) for pair in zip(lines, encoded, strict=True)]
        found = compare(self._trained.heads, question, asked, pairs)
        return Reading(found.best, found.margin, found.margin > self._trained.threshold)


def load_reader(source: Path = WEIGHTS_FILE) -> LineReader:
    """Load the reader, 200 MB in three seconds. Raises LineReaderMissing."""
    try:
        file = read_encoder(find_file())
        trained = load_weights(file, source)
    except _UNREADABLE as error:
        raise LineReaderMissing(str(error) or type(error).__name__) from error
    cache = LineCache(load_text_encoder(file, trained.layers, trained.heads))
    return LineReader(cache, trained)
