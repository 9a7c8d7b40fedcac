"""`python -m load.bench.hosted_tools.constant_model PORT`: a model server for loops of any length.

A language model that calls as many specialists as the system message `steps=N` says, one in each
answer, and specialists with one optional column. Everything is answered at once and alike.
"""

import argparse
import json
from collections import Counter
from typing import Any

import uvloop
from aiohttp import web

ANSWER = "No failure is expected."
_SIGNATURE = {
    "inputs": [
        {
            "name": "torque",
            "datatype": "FP32",
            "unit": "N·m",
            "minimum": 0,
            "maximum": 500,
            "optional": True,
        }
    ],
    "outputs": [{"name": "failure", "datatype": "INT64", "unit": "1"}],
    "version": "1",
}
_USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


async def create_application() -> web.Application:
    """Create the web application, inside its event loop."""
    app = web.Application(client_max_size=1 << 26)
    handlers = _Handlers()
    for path in ("/v1/models", "/v2/models/{name}/ready", "/v2/health/ready"):
        app.router.add_get(path, handlers.models)
    app.router.add_get("/v2/models/{name}", handlers.metadata)
    app.router.add_get("/served", handlers.served)
    app.router.add_post("/v1/chat/completions", handlers.chat)
    app.router.add_post("/v2/models/{name}/infer", handlers.infer)
    return app


def answer_of(body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a chat: the next call, or the text after the last one."""
    messages = body["messages"]
    wanted = int(str(messages[0]["content"]).removeprefix("steps="))
    made = sum(message["role"] == "tool" for message in messages)
    tools = body.get("tools") or []
    message: dict[str, Any] = {"role": "assistant", "content": ANSWER}
    if made < wanted and tools:
        function = {"name": tools[made % len(tools)]["function"]["name"], "arguments": "{}"}
        call = {"id": f"call_{made}", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"]}
    return {**head, "choices": [choice], "usage": _USAGE}


class _Handlers:
    """Request handlers; `served` counts the requests by kind."""

    def __init__(self) -> None:
        self._served: Counter[str] = Counter()

    async def models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": []})

    async def metadata(self, request: web.Request) -> web.Response:
        name, declared = request.match_info["name"], {"signature": _SIGNATURE}
        return web.json_response(
            {"name": name, "inputs": [], "outputs": [], "parameters": declared}
        )

    async def served(self, _request: web.Request) -> web.Response:
        return web.json_response(self._served)

    async def chat(self, request: web.Request) -> web.Response:
        self._served["chat"] += 1
        return web.json_response(answer_of(json.loads(await request.read())))

    async def infer(self, request: web.Request) -> web.Response:
        self._served["infer"] += 1
        raw = await request.read()
        length = request.headers.get("inference-header-content-length")
        header = json.loads(raw if length is None else raw[: int(length)])
        rows = header["inputs"][0]["shape"][0]
        output = {"name": "failure", "datatype": "INT64", "shape": [rows], "data": [0] * rows}
        return web.json_response({"model_name": request.match_info["name"], "outputs": [output]})


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    uvloop.install()
    web.run_app(
        create_application(),
        host="127.0.0.1",
        port=parser.parse_args().port,
        access_log=None,
        print=lambda _: None,
        shutdown_timeout=2.0,
    )


if __name__ == "__main__":
    main()
