"""Calls of a running gateway: questions to a model, and documents in vector stores."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from models.handbook.evaluation.scoring import Answer

_TIMEOUT_S = 900.0
_POLL_S, _MAX_POLLS = 0.2, 1_500
_MAX_TOKENS = 400


@dataclass(frozen=True, slots=True)
class AskedAnswer:
    """An answer with the passages that it cites, its grounding and the seconds that it took.

    `passages` are the texts that the model was given, in order.
    """

    answer: Answer
    passages: tuple[str, ...]
    grounding: str
    seconds: float


@dataclass(frozen=True, slots=True)
class GatewayClient:
    """A client of `/v1` with an account's key."""

    http: httpx.AsyncClient

    async def ask(self, model: str, question: str, stores: Iterable[str] = ()) -> AskedAnswer:
        """Ask a question, about the documents of the stores if any, with greedy decoding."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": _MAX_TOKENS,
            "temperature": 0,
        }
        if ids := list(stores):
            body["tools"] = [{"type": "file_search", "vector_store_ids": ids}]
        started = time.perf_counter()
        response = await self._send("POST", "/chat/completions", json=body)
        seconds = time.perf_counter() - started
        found = response.get("file_search") or {}
        results = sorted(found.get("results", ()), key=lambda one: int(one["passage"]))
        cited = tuple(one["text"] for one in results if one["cited"])
        text = str(response["choices"][0]["message"]["content"] or "")
        return AskedAnswer(
            Answer(text, cited),
            tuple(one["text"] for one in results),
            str(found.get("grounding", "")),
            seconds,
        )

    async def store_document(self, name: str, content: bytes) -> str:
        """Put a document into a vector store of its own and return the store's id, once indexed."""
        uploaded = await self._send(
            "POST",
            "/files",
            data={"purpose": "assistants"},
            files={"file": (name, content)},
        )
        created = await self._send(
            "POST", "/vector_stores", json={"name": name, "file_ids": [uploaded["id"]]}
        )
        for _ in range(_MAX_POLLS):
            store = await self._send("GET", f"/vector_stores/{created['id']}")
            if store["status"] != "in_progress":
                break
            await asyncio.sleep(_POLL_S)
        if store["status"] != "completed" or store["file_counts"]["failed"]:
            raise RuntimeError(f"{name} could not be indexed")
        return str(store["id"])

    async def _send(self, method: str, path: str, **content: Any) -> Mapping[str, Any]:
        """Send a request and return the JSON response. Raises RuntimeError for errors."""
        response = await self.http.request(method, path, **content)
        if response.status_code != httpx.codes.OK:
            raise RuntimeError(f"{path}: status {response.status_code}: {response.text[:300]}")
        body: Mapping[str, Any] = response.json()
        return body


@asynccontextmanager
async def connect(url: str, key: str) -> AsyncIterator[GatewayClient]:
    """Yield a client of the gateway at `url`, without `/v1`."""
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=f"{url.rstrip('/')}/v1", headers=headers, timeout=_TIMEOUT_S
    ) as http:
        yield GatewayClient(http)
