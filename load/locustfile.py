"""`make load`: a small firm's mixed calls against a running service.

Owns what such a firm calls, and how often. The key comes from MAAS_API_KEY; the models are those
that the service lists, by their task.
"""

import os
import random
from typing import Any

from locust import FastHttpUser, between, task

_MACHINE = {
    "type": "L",
    "air_temperature": 298.1,
    "process_temperature": 308.6,
    "rotational_speed": 1400,
    "torque": 46.3,
    "tool_wear": 3,
}


class SmallFirm(FastHttpUser):
    """One developer's programs: questions, streams, embeddings and a machine that is watched."""

    wait_time = between(0.1, 1.0)

    def on_start(self) -> None:
        key = os.environ.get("MAAS_API_KEY", "")
        listed = self.client.get("/v1/models", headers=self._headers(key)).json()
        # The first of each task: rows below are the first classification's.
        self._models = {model["task"]: model["id"] for model in reversed(listed["data"])}
        self._key = key

    @task(4)
    def chat(self) -> None:
        self._post("/v1/chat/completions", self._question(stream=False))

    @task(4)
    def stream(self) -> None:
        self._post("/v1/chat/completions", self._question(stream=True), name="chat, streamed")

    @task(2)
    def embeddings(self) -> None:
        texts = [f"bearing {random.random()} runs hot" for _ in range(4)]
        self._post("/v1/embeddings", {"model": self._models["embedding"], "input": texts})

    @task(8)
    def predictions(self) -> None:
        rows = [{**_MACHINE, "torque": random.uniform(20, 70)} for _ in range(16)]
        body = {"model": self._models["classification"], "instances": rows}
        self._post("/v1/predictions", body)

    @task(1)
    def usage(self) -> None:
        self.client.get("/v1/usage?limit=20", headers=self._headers(self._key), name="/v1/usage")

    def _question(self, stream: bool) -> dict[str, Any]:
        content = f"Why does spindle {random.randrange(10**6)} vibrate?"
        return {
            "model": self._models["text-generation"],
            "messages": [{"role": "user", "content": content}],
            "max_tokens": 32,
            "stream": stream,
        }

    def _post(self, path: str, body: dict[str, Any], name: str | None = None) -> None:
        self.client.post(path, json=body, headers=self._headers(self._key), name=name or path)

    def _headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}
