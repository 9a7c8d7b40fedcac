"""Ask a running service about lines, and keep its replies: an interrupted run goes on."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from models.decision_calibration.collecting import ask_first_token
from models.decision_calibration.prompts import Message
from models.line_reader.model_check.prompts import check_prompts, yes_margin

_TIMEOUT_S = 300.0
_CONCURRENCY = 8
Pair = tuple[str, str]
"""A question and a line with its heading."""
Margins = tuple[float, float]


class StoredReply(msgspec.Struct, frozen=True):
    """A line of the file: the margins of one pair, with examples and without."""

    model: str
    question: str
    line: str
    margins: Margins


_LINE = msgspec.json.Decoder(StoredReply)


@dataclass(frozen=True, slots=True)
class ReplyCollector:
    """Asks one model of an OpenAI-compatible server; `url` includes `/v1`.

    `file` keeps the replies. `transport` replaces the network.
    """

    url: str
    key: str
    model: str
    file: Path
    transport: httpx.AsyncBaseTransport | None = None

    def collect(
        self, pairs: Sequence[Pair], report: Callable[[int, int], None]
    ) -> Mapping[Pair, Margins]:
        """Return the margins of each pair. Raises CollectionFailed.

        `report` receives the number of pairs done and in all.
        """
        stored = dict(self._read())
        missing = [pair for pair in dict.fromkeys(pairs) if pair not in stored]
        if missing:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            asyncio.run(self._ask_all(missing, stored, report))
        return stored

    def _read(self) -> Iterator[tuple[Pair, Margins]]:
        if not self.file.is_file():
            return
        for line in filter(None, self.file.read_bytes().splitlines()):
            stored = _LINE.decode(line)
            if stored.model == self.model:
                yield (stored.question, stored.line), stored.margins

    async def _ask_all(
        self,
        missing: Sequence[Pair],
        stored: dict[Pair, Margins],
        report: Callable[[int, int], None],
    ) -> None:
        """Ask about all pairs, a few at a time, and store each reply."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        pending, total = iter(missing), len(stored) + len(missing)
        async with httpx.AsyncClient(
            headers=headers, timeout=_TIMEOUT_S, transport=self.transport
        ) as client:

            async def work() -> None:
                """Ask about one pair after another until none is left."""
                for pair in pending:
                    examples, plain = check_prompts(*pair)
                    margins = await self._ask(client, examples), await self._ask(client, plain)
                    stored[pair] = margins
                    with self.file.open("ab") as opened:
                        line = StoredReply(self.model, *pair, margins)
                        opened.write(msgspec.json.encode(line) + b"\n")
                    report(len(stored), total)

            await asyncio.gather(*(work() for _ in range(_CONCURRENCY)))

    async def _ask(self, client: httpx.AsyncClient, messages: list[Message]) -> float:
        """Return the margin of one chat. Raises CollectionFailed."""
        return yes_margin(await ask_first_token(client, self.url, self.model, messages))
