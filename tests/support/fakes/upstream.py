"""A fake model server that responds, refuses, hangs, crashes or sends garbage as tests require.

The prompt's first word chooses the behaviour; everything else is a plain, exact answer whose
usage can be worked out by hand: one token a word of the prompt, `max_tokens` tokens out. A text's
vector tells its words apart, so that texts that share words are near each other.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from models.drift.counts_text import HEADER as BINS_HEADER
from tests.support.fakes.first_tokens import Chances, add_logprobs, no_chances
from tests.support.fakes.function_calls import call_functions
from tests.support.fakes.learner import Learner
from tests.support.fakes.listening import listening
from tests.support.fakes.token_usage import thoughts_of, usage_of
from tests.support.fakes.upstream_refusals import refusal_of, unfit
from tests.support.fakes.vectors import vector_of

_ROLE = [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]


@dataclass
class FakeUpstream:
    """The server's URL, received requests and the number of cancelled generations."""

    url: str = ""
    received: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    cancelled: int = 0
    generated: int = 0
    delay_s: float = 0.0
    running: int = 0
    most_running: int = 0
    counters: dict[str, str] = field(default_factory=dict)  # Prometheus text by path
    says: str = ""  # in the place of what it makes up
    replies: Callable[[str, str], str] | None = None  # by model and prompt, in place of `says`
    inputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by model, as declared
    outputs: Callable[[str, dict[str, Any]], dict[str, list[Any]]] | None = None
    """What specialists answer, by `name`, or `name:version` of a variant, and the request."""
    embeddings_do: str = ""
    delay_embeddings_s: float = 0.0
    longest_embedded: int = 1 << 30
    stride: int = 1  # tokens in each chunk of a stream, as vLLM's stream_interval
    generates: int = 0  # so many tokens, whatever max_tokens says
    claims_prompt: int = 0  # tokens that it says a plain answer's prompt had
    untold: bool = False  # chunks do not tell their usage, only the stream's end does
    does: list[str] = field(default_factory=list)  # next, one each, in place of the first word
    names_role: bool = False  # a stream begins with a chunk of the role alone, as vLLM's
    learner: Learner = field(default_factory=Learner)
    models: dict[str, bool] = field(default_factory=dict)  # as our serving says what it has
    listed: list[str] = field(default_factory=list)  # as other servers do
    calls: list[tuple[str, str]] = field(default_factory=list)  # of functions, some per offer
    calls_at_once: int = 1
    internals: dict[str, Any] = field(default_factory=dict)  # put at every level of an answer
    chances: Chances = no_chances  # of first tokens by prompt, for `logprobs`
    predicts: dict[str, Any] | None = field(default_factory=dict)  # of each row; None: a fault


@asynccontextmanager
async def run_fake_upstream() -> AsyncIterator[FakeUpstream]:
    """Serve until the block ends."""
    fake = FakeUpstream()
    app = web.Application(client_max_size=1 << 30)
    handlers = _Handlers(fake)
    app.router.add_get("/v1/models", handlers.models)
    app.router.add_post("/v1/chat/completions", handlers.chat)
    app.router.add_post("/v1/completions", handlers.completions)
    app.router.add_post("/v1/embeddings", handlers.embeddings)
    app.router.add_post("/v1/rerank", handlers.rerank)
    app.router.add_post("/v2/models/{name}/infer", handlers.infer)
    app.router.add_post("/v2/models/{name}/versions/{version}/infer", handlers.infer)
    app.router.add_get("/v2/models/{name}", handlers.metadata)
    fake.learner.add_to(app)
    app.router.add_get("/v2/models/{name}/ready", handlers.models)
    app.router.add_get("/v2/health/ready", handlers.models)
    app.router.add_get("/v2/metrics", handlers.metrics)
    app.router.add_get("/metrics", handlers.metrics)
    async with listening(app, leaves=True) as fake.url:
        yield fake


class _Handlers:
    def __init__(self, fake: FakeUpstream) -> None:
        self._fake = fake

    async def models(self, _request: web.Request) -> web.Response:
        data = [{"id": name, "object": "model"} for name in self._fake.listed]
        return web.json_response({"object": "list", "data": data, "models": self._fake.models})

    async def metrics(self, request: web.Request) -> web.Response:
        text = self._fake.counters.get(request.path)
        return web.Response(text=text, status=404 if text is None else 200)

    async def metadata(self, request: web.Request) -> web.Response:
        refusal = self._fake.learner.refusal(request.match_info["name"])
        if refusal is not None:
            return refusal
        name = self._fake.learner.shown(request.match_info["name"])
        declared = {"signature": {"inputs": self._fake.inputs.get(name, [])}}
        return web.json_response(
            {"name": name, "inputs": [], "outputs": [], "parameters": declared}
        )

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._take(request)
        if "content" not in body["messages"][-1]:
            return unfit("A message has no content.")
        return await self._generate(request, body, str(body["messages"][-1]["content"]), True)

    async def completions(self, request: web.Request) -> web.StreamResponse:
        body = await self._take(request)
        return await self._generate(request, body, str(body["prompt"]), False)

    async def embeddings(self, request: web.Request) -> web.Response:
        body = await self._take(request)
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        refusal = await self._refused(texts)
        if refusal is not None:
            return refusal
        data = [
            {"object": "embedding", "index": index, "embedding": vector_of(str(text))}
            for index, text in enumerate(texts)
        ]
        tokens = sum(len(str(text).split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return web.json_response(
            {
                **self._fake.internals,
                "object": "list",
                "model": body["model"],
                "data": [{**self._fake.internals, **one} for one in data],
                "usage": usage,
            }
        )

    async def rerank(self, request: web.Request) -> web.Response:
        """The longer a text, the more relevant; in the order of relevance, as vLLM."""
        body = await self._take(request)
        ranked = sorted(enumerate(body["documents"]), key=lambda one: -len(one[1]))
        results = [
            {"index": index, "document": {"text": text}, "relevance_score": len(text) / 100}
            for index, text in ranked[: body.get("top_n") or None]
        ]
        tokens = sum(len(f"{body['query']} {text}".split()) for text in body["documents"])
        answer = {"id": "score-1", "model": body["model"], "results": results, "trace": "secret"}
        return web.json_response({**answer, "usage": {"total_tokens": tokens}})

    async def _refused(self, texts: list[Any]) -> web.Response | None:
        """The injected error for embeddings, or the error for a text that is too long."""
        if self._fake.embeddings_do == "fault":
            return web.Response(status=503)
        if self._fake.embeddings_do == "hang":
            await asyncio.sleep(60)
        await asyncio.sleep(self._fake.delay_embeddings_s)
        longest = max(len(str(text)) for text in texts)
        if longest <= self._fake.longest_embedded:
            return None
        error = {
            "message": "Input 0 has 600 tokens; the model's maximum is 512.",
            "type": "invalid_request_error",
            "param": "input",
            "code": "context_length_exceeded",
        }
        return web.json_response({"error": error}, status=400, headers={"x-maas-error": "1"})

    async def infer(self, request: web.Request) -> web.Response:
        raw = await request.read()
        self._fake.headers.append(dict(request.headers))
        length = request.headers.get("inference-header-content-length")
        header = json.loads(raw if length is None else raw[: int(length)])
        self._fake.received.append(header)
        refusal = self._fake.learner.refusal(request.match_info["name"])
        if refusal is not None:
            return refusal
        if self._fake.predicts is None:
            return web.Response(status=500)
        if not header["inputs"]:
            return unfit("There are no inputs.")
        rows = header["inputs"][0]["shape"][0]
        if rows == 13:
            error = {
                "message": "Row 3: `torque` is 900 N·m, above 200.",
                "type": "invalid_request_error",
                "param": "torque",
                "code": "out_of_range",
                "row": 3,
                "value": "not a number",
            }
            return web.json_response({"error": error}, status=400, headers={"x-maas-error": "1"})
        made = {
            name: [value] * rows for name, value in (self._fake.predicts or {"failure": 0}).items()
        }
        if self._fake.outputs is not None:
            made = self._fake.outputs(self._fake.learner.pinned(request.match_info["name"]), header)
        outputs = [
            {"name": name, "datatype": "INT64", "shape": [rows], "data": data}
            for name, data in made.items()
        ]
        content = {"model_name": request.match_info["name"], "outputs": outputs}
        bins = self._fake.learner.bins
        return web.json_response(content, headers=None if bins is None else {BINS_HEADER: bins})

    async def _take(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(await request.read())
        self._fake.received.append(body)
        self._fake.headers.append(dict(request.headers))
        return body

    async def _generate(
        self, request: web.Request, body: dict[str, Any], prompt: str, chat: bool
    ) -> web.StreamResponse:
        verb = self._fake.does.pop(0) if self._fake.does else (prompt.split() or [""])[0]
        name = self._fake.learner.adapter(body["model"])
        refusal = refusal_of("not-loaded" if name is None else verb)
        if refusal is not None:
            return refusal
        body, replies = {**body, "model": name}, self._fake.replies
        says = self._fake.says if replies is None else replies(str(name), prompt)
        self._fake.running += 1
        self._fake.most_running = max(self._fake.most_running, self._fake.running)
        try:
            if verb == "hang":
                await asyncio.sleep(60)
            if verb == "die":
                assert request.transport is not None
                request.transport.abort()
            if verb == "rubbish":
                return web.Response(body=b"<html>\xff not what you asked</html>")
            if verb == "huge":
                return web.Response(body=b" " * (33 << 20))
            if body.get("stream"):
                return await _Stream(self._fake, request, body, prompt, chat, says).run(verb)
            await asyncio.sleep(self._fake.delay_s)
            answer = _answer(body, prompt, chat, says)
            add_logprobs(answer, body, self._fake.chances(prompt))
            if self._fake.claims_prompt:
                answer["usage"]["prompt_tokens"] = self._fake.claims_prompt
            if verb == "no-usage":
                del answer["usage"]
            if self._fake.calls and body.get("tools"):
                call_functions(answer, self._fake.calls, self._fake.calls_at_once)
            if verb == "no-choices":
                answer["choices"] = []
            return web.json_response(_leaking(answer, self._fake.internals))
        except asyncio.CancelledError:
            self._fake.cancelled += 1
            raise
        finally:
            self._fake.running -= 1


class _Stream:
    def __init__(
        self,
        fake: FakeUpstream,
        request: web.Request,
        body: dict[str, Any],
        prompt: str,
        chat: bool,
        says: str,
    ) -> None:
        self._fake, self._request, self._body = fake, request, body
        self._prompt, self._chat, self._says = prompt, chat, says
        self._response = web.StreamResponse(
            headers={"content-type": "text/event-stream; charset=utf-8"}
        )

    async def run(self, verb: str) -> web.StreamResponse:
        response = self._response
        await response.prepare(self._request)
        if verb == "refuse-late":
            await self._data({"error": {"message": "Grammar error: no", "code": 400}})
            await response.write(b"data: [DONE]\n\n")
            return response
        tokens, choices = self._tokens(), range(self._body.get("n") or 1)
        if self._fake.names_role:
            head = {"id": "c", "model": self._body["model"], "usage": usage_of(self._prompt, 0)}
            await self._data({**head, "choices": _ROLE})
        stride = self._fake.stride
        for count in [*range(stride, tokens, stride), tokens] if tokens else []:
            if verb == "drip":
                await asyncio.sleep(0.02)
            self._fake.generated = count * len(choices)
            for index in choices:
                await self._data(self._chunk(count, index))
            if count == 3 and verb != "drip" and verb:
                if await self._break(verb):
                    return response
        if verb == "bad-usage":
            await self._data({"id": "c", "choices": [], "usage": {"prompt_tokens": "many"}})
        elif verb != "no-usage":
            thoughts = min(thoughts_of(self._body), tokens) * len(choices)
            total = usage_of(self._prompt, tokens * len(choices), thoughts)
            await self._data({"id": "c", "choices": [], "usage": total})
        if verb != "no-done":
            await response.write(b"data: [DONE]\n\n")
        return response

    async def _break(self, verb: str) -> bool:
        match verb:
            case "die-midway":
                assert self._request.transport is not None
                self._request.transport.close()
            case "error-midway":
                await self._data({"error": {"message": "CUDA at /opt/x.py", "code": 500}})
                await self._response.write(b"data: [DONE]\n\n")
            case "rubbish-midway":
                await self._response.write(b"<html>oops</html>\n\n")
            case "stall-midway":
                await asyncio.sleep(60)
            case "endless-event":
                while True:
                    await self._response.write(b"data: " + b"x" * (1 << 20))
            case _:
                return False
        return True

    def _tokens(self) -> int:
        return self._fake.generates or _length(self._body, self._prompt)

    def _chunk(self, count: int, index: int = 0) -> dict[str, Any]:
        content = f' "usage":{{{count}}}'  # a text that must not be taken for the usage
        ended = "length" if count == self._body.get("max_tokens") else None
        if self._says:
            tokens = self._tokens()
            each = -(-len(self._says) // tokens)
            content = self._says[(count - 1) * each : count * each]
            ended = "stop" if count == tokens else None
        choice: dict[str, Any] = {"index": index, "finish_reason": ended}
        thinks = count <= thoughts_of(self._body)
        delta = {"reasoning": "thought "} if thinks else {"content": content}
        choice.update({"delta": delta} if self._chat else {"text": content})
        chunk: dict[str, Any] = {"id": "c", "model": self._body["model"], "choices": [choice]}
        if self._body["stream_options"].get("continuous_usage_stats") and not (
            self._fake.untold or self._prompt.startswith("no-usage")
        ):
            chunk["usage"] = usage_of(self._prompt, count, min(thoughts_of(self._body), count))
        chunk["system_fingerprint"] = None
        return chunk

    async def _data(self, value: dict[str, Any]) -> None:
        leaking = _leaking(value, {} if "error" in value else self._fake.internals)
        text = json.dumps(leaking, separators=(",", ":"))
        await self._response.write(f"data: {text}\n\n".encode())


def _answer(body: dict[str, Any], prompt: str, chat: bool, says: str) -> dict[str, Any]:
    tokens = _length(body, prompt)
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop" if says else "length"}
    text = says or "word " * tokens
    thoughts = min(thoughts_of(body), tokens)
    message = {"role": "assistant", "content": text}
    if thoughts:
        message["reasoning"] = "thought " * thoughts
    choice.update({"message": message} if chat else {"text": text})
    return {
        "id": "c",
        "object": "chat.completion" if chat else "text_completion",
        "created": 1,
        "model": body["model"],
        "choices": [choice],
        "usage": usage_of(prompt, tokens, thoughts),
    }


def _leaking(answer: dict[str, Any], internals: dict[str, Any]) -> dict[str, Any]:
    """A response or chunk with engine-specific fields at every level."""
    if not internals:
        return answer
    choices = [dict(choice) for choice in answer["choices"]]
    for choice in choices:
        for part in choice.keys() & {"message", "delta"}:
            choice[part] = {**internals, **choice[part]}
    return {**internals, **answer, "choices": [{**internals, **choice} for choice in choices]}


def _length(body: dict[str, Any], prompt: str) -> int:
    unlimited = 3000 if prompt.startswith("endless") else 8
    tokens: int = body.get("max_tokens") or unlimited
    return min(tokens, 20) if prompt.startswith("brief") else tokens
