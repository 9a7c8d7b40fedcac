"""An account that evaluates models through the API."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from gateway.evaluations.runs import RUN_ID_PREFIX
from gateway.tables import EvaluationRun
from infra import ids
from tests.support.builders import CHAT, INDUSTRIAL, Gateway
from tests.support.fakes.upstream import FakeUpstream

PATH = "/v1/evals/runs"
QUESTIONS: Sequence[Mapping[str, Any]] = (
    {"id": "pressure", "question": "How much pressure?", "expected": "0.5 MPa"},
    {"id": "seal", "question": "Which seal leaks?", "expected": "mechanical seal"},
    {"id": "choice", "question": "A or B?", "expected": "B"},
)
RIGHT = {
    "How much pressure?": "5 bar",
    "Which seal leaks?": "The mechanical seal.",
    "A or B?": "B",
}
_PATIENCE_S = 30


async def create_run(gateway: Gateway) -> str:
    """Upload a question file and create a run of the chat model; returns its id."""
    content = "\n".join(json.dumps(one) for one in QUESTIONS).encode()
    upload = await gateway.http.post(
        "/v1/files", data={"purpose": "evals"}, files={"file": ("q.jsonl", content)}
    )
    body = {"model": CHAT, "against": INDUSTRIAL, "file": upload.json()["id"], "max_tokens": 8}
    run_id: str = (await gateway.http.post(PATH, json=body)).json()["id"]
    return run_id


class Evaluator:
    """Uploads question files, creates runs and waits for their end."""

    def __init__(self, gateway: Gateway, upstream: FakeUpstream) -> None:
        self.gateway = gateway
        self.upstream = upstream
        upstream.replies = lambda _model, prompt: RIGHT.get(prompt, "I do not know.")

    async def upload(
        self, questions: Sequence[Mapping[str, Any]] = QUESTIONS, purpose: str = "evals"
    ) -> str:
        """Upload a question file and return its id."""
        content = "\n".join(json.dumps(one) for one in questions).encode()
        answer = await self.gateway.http.post(
            "/v1/files", data={"purpose": purpose}, files={"file": ("q.jsonl", content)}
        )
        assert answer.status_code == 200, answer.text
        file_id: str = answer.json()["id"]
        return file_id

    async def post(self, path: str = "", **fields: Any) -> httpx.Response:
        return await self.gateway.http.post(f"{PATH}{path}", json=fields)

    async def create(
        self, questions: Sequence[Mapping[str, Any]] = QUESTIONS, **fields: Any
    ) -> dict[str, Any]:
        """Create a run of the chat model and return it."""
        body = {"model": CHAT, "file": await self.upload(questions), "max_tokens": 8, **fields}
        answer = await self.post(**body)
        assert answer.status_code == 200, answer.text
        run: dict[str, Any] = answer.json()
        return run

    async def evaluate(
        self, questions: Sequence[Mapping[str, Any]] = QUESTIONS, **fields: Any
    ) -> dict[str, Any]:
        """Create a run and return it when it has ended."""
        return await self.ended((await self.create(questions, **fields))["id"])

    async def ended(self, run_id: str) -> dict[str, Any]:
        """Wait until the run has ended and return it; polls the database."""
        async with asyncio.timeout(_PATIENCE_S):
            while not await self._is_over(run_id):  # noqa: ASYNC110  # another process tells nobody
                await asyncio.sleep(0.02)
        return await self.read(run_id)

    async def read(self, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = (await self.gateway.http.get(f"{PATH}/{run_id}")).json()
        return run

    async def items(self, run_id: str, **query: Any) -> list[dict[str, Any]]:
        answer = await self.gateway.http.get(f"{PATH}/{run_id}/output_items", params=query)
        items: list[dict[str, Any]] = answer.json()["data"]
        return items

    async def _is_over(self, run_id: str) -> bool:
        async with self.gateway.parts.database.transaction() as session:
            run = await session.get(EvaluationRun, ids.parse_id(RUN_ID_PREFIX, run_id))
        return run is not None and run.finished_at is not None
