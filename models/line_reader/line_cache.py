"""Keep the encoded lines of the accounts that asked last: a document is asked more than once.

Accounts share no line, not even one of the same text: how soon an answer comes would tell what
another account has stored.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.line_reader.encoding import (
    MAX_LINE_TOKENS,
    MAX_QUESTION_TOKENS,
    EncodedText,
    TextEncoder,
)
from models.multilingual import PASSAGE, QUERY

# Of 11 kB each: 11 MB for an account, 44 MB in all.
MAX_LINES_PER_ACCOUNT, MAX_LINES = 1_000, 4_000

_Lines = OrderedDict[str, EncodedText]


@dataclass(slots=True)
class LineCache:
    """Encodes lines and keeps those used last. Not thread-safe."""

    encoder: TextEncoder
    _kept: OrderedDict[str, _Lines] = field(default_factory=OrderedDict)

    def encode_question(self, question: str) -> EncodedText:
        """Encode a question; it is not kept."""
        return self.encoder.encode([QUERY + question], MAX_QUESTION_TOKENS)[0]

    def encode_lines(self, account: str, lines: Sequence[str]) -> list[EncodedText]:
        """Encode the lines that are not kept for the account, and return all in order."""
        kept = self._kept.setdefault(account, OrderedDict())
        self._kept.move_to_end(account)
        missing = [line for line in dict.fromkeys(lines) if line not in kept]
        encoded = self.encoder.encode([PASSAGE + line for line in missing], MAX_LINE_TOKENS)
        kept.update(zip(missing, encoded, strict=True))
        for line in lines:
            kept.move_to_end(line)
        found = [kept[line] for line in lines]
        self._evict(kept)
        return found

    def count_lines(self) -> int:
        """Count the lines that are kept."""
        return sum(map(len, self._kept.values()))

    def _evict(self, used: _Lines) -> None:
        """Remove lines above the limits: the account's own, then those of the others."""
        while len(used) > MAX_LINES_PER_ACCOUNT:
            used.popitem(last=False)
        excess = self.count_lines() - MAX_LINES
        while excess > 0:
            account, lines = next(iter(self._kept.items()))
            lines.popitem(last=False)
            excess -= 1
            if not lines:
                del self._kept[account]
