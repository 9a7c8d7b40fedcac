"""The models' servers as far as variants go: they learn what a test tells them to, and know only
those variants that they were given.

The words `do …` in a training file's first line choose what happens: a machine's `id`, or what a
dialogue begins with.
"""

import asyncio
import base64
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SECONDS = 7


@dataclass
class Learner:
    """A fake server with the variants and requests that it received."""

    files: list[bytes] = field(default_factory=list)
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    puts: int = 0
    elsewhere: int = 0
    """So many of the next variants are given to another server behind the same address."""
    full: bool = False
    """Whether its disk is, so that it can keep no more of them."""
    deleted: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    seconds: list[str | None] = field(default_factory=list)
    """For how long it was told to learn at most."""
    mixings: list[str | None] = field(default_factory=list)
    """How far it was told to go from what it goes on from."""
    sensitivities: list[str | None] = field(default_factory=list)
    """Of anomaly detectors."""
    artefact: bytes | None = None
    """What it learns; a number if None."""
    bins: str | None = None
    """The header with the binned inputs of a call."""
    hanging: int = 0
    """So many of the next trainings hang, whatever their files say."""
    cancelled: int = 0
    learning: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    """A test that clears it decides when trainings end."""

    def __post_init__(self) -> None:
        self.may_end.set()

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/v2/adaptations/{name}", self.adapt)
        app.router.add_put("/v2/models/{id}", self.put)
        app.router.add_put("/v2/adapters/{id}", self.put)
        app.router.add_delete("/v2/models/{id}", self.delete)
        app.router.add_delete("/v2/adapters/{id}", self.delete)

    def adapter(self, name: str) -> str | None:
        """What a text model answers as that is asked for by this name, `engine:var_…` for a
        variant; None where it has not got that one."""
        self.asked.append(name)
        _, _, variant = name.partition(":")
        return name if not variant else self.variants.get(variant, {}).get("name")

    def refusal(self, name: str) -> web.Response | None:
        """The error for an unknown variant."""
        self.asked.append(name)
        if not name.startswith("var_") or name in self.variants:
            return None
        error = {
            "message": "The fine-tuned model is not loaded.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "variant_not_loaded",
        }
        return web.json_response({"error": error}, status=404, headers={"x-maas-error": "1"})

    def shown(self, name: str) -> str:
        """The public name of a model."""
        given = self.variants.get(name)
        return name if given is None else str(given["name"])

    def pinned(self, name: str) -> str:
        """The public name of a model, with the version of a variant."""
        given = self.variants.get(name)
        return name if given is None else f"{given['name']}:{given['version']}"

    async def put(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        self.puts += 1
        if self.full:
            error = {"message": "No room.", "type": "server_error", "param": None, "code": None}
            return web.json_response({"error": error}, status=500)
        if self.elsewhere:
            self.elsewhere -= 1
        else:
            self.variants[request.match_info["id"]] = body
        return web.json_response({"name": body["name"], "ready": True})

    async def delete(self, request: web.Request) -> web.Response:
        self.variants.pop(request.match_info["id"], None)
        self.deleted.append(request.path)
        return web.Response(status=204)

    async def adapt(self, request: web.Request) -> web.StreamResponse:
        self.files.append(await request.read())
        first = json.loads(self.files[-1].splitlines()[0])
        talks, do = "messages" in first, _wanted(first)
        response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
        await response.prepare(request)
        self.seconds.append(request.query.get("most_s"))
        self.mixings.append(request.query.get("mixing"))
        self.sensitivities.append(request.query.get("sensitivity"))
        await self._line(response, {"progress": "3 machines were read."})
        for step in (10, 20) if talks else ():
            await self._line(response, measured(step))
        self.learning.set()
        try:
            await self.may_end.wait()
            await self._end(request, response, do, talks)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return response

    async def _end(
        self, request: web.Request, response: web.StreamResponse, do: str, talks: bool
    ) -> None:
        if self.hanging:
            self.hanging -= 1
            do = "hang"
        match do:
            case "hang":
                await asyncio.sleep(60)
            case "die":
                assert request.transport is not None
                request.transport.abort()
            case "rubbish":
                await response.write(b"<html>\n")
            case "fault":
                fault = {"message": "Line 2: `tag` is empty.", "type": "x", "param": None}
                await self._line(response, {"error": {**fault, "code": "invalid_training_file"}})
            case "nothing":
                pass
            case _:
                artefact = self.artefact or f"variant {len(self.files)}".encode()
                end = learned(float(do), artefact)
                await self._line(response, in_words(end) if talks else end)

    async def _line(self, response: web.StreamResponse, content: dict[str, Any]) -> None:
        await response.write(json.dumps(content).encode() + b"\n")


def measured(step: int) -> dict[str, Any]:
    """The training progress of a language model."""
    metrics = {"step": step, "total_steps": 20, "train_loss": 1 / step, "valid_loss": 2 / step}
    return {"progress": f"Step {step} of 20.", "metrics": metrics}


def in_words(end: dict[str, Any]) -> dict[str, Any]:
    """The end of a language model's training, with its exact score and trained tokens."""
    variant = end["variant"]
    score = {**variant["score"], "exact": {"base": 1, "adapted": 2, "of": 3}}
    return {**end, "variant": {**variant, "score": score, "trained_tokens": 480}}


def _wanted(line: dict[str, Any]) -> str:
    said = str(line["messages"][0]["content"] if "messages" in line else line.get("id") or "8")
    return said.removeprefix("do ")


def learned(adapted: float, artefact: bytes) -> dict[str, Any]:
    """A variant whose base is 10 cycles off."""
    score = {
        "metric": "RMSE in cycles",
        "base": 10.0,
        "adapted": adapted,
        "higher_is_better": False,
    }
    encoded = base64.b64encode(artefact).decode()
    variant = {"artefact": encoded, "score": score, "examples": 3, "held_out": 3}
    return {"variant": variant, "seconds": SECONDS}
