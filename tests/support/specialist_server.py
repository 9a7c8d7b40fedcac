"""The real specialists on a real socket without Ray: inference and fine-tuning.

The applications are those that Ray Serve deploys (serving/). In the place of Ray are a queue that
runs each request by itself, and a thread in which an adaptation learns.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from models.catalog import SPECIALIST_TASKS
from models.signature import Columns
from serving.cluster.operations_app import NDJSON
from serving.http import run_handler
from serving.specialists.app import RunBatched, SpecialistApp
from serving.specialists.inference import QueuedRequest, run_batch
from serving.specialists.loader import ModelSource
from serving.training.fine_tune_task import (
    find_adapter,
    run_fine_tuning,
    split_schema,
    with_schema,
)
from serving.training.ready_made import with_ready_made
from serving.weights.conversion_process import convert_in_child_process
from serving.weights.weights import obtain_weights
from tests.support.builders import CATALOG
from tests.support.engine.process import WEIGHTS


@asynccontextmanager
async def run_specialists(folder: Path) -> AsyncIterator[str]:
    """Serve until the block ends; yields the URL. Variants and weights are stored in `folder`."""
    sources = await asyncio.to_thread(_sources, folder)
    variants = folder / "variants"
    variants.mkdir()
    replica = await asyncio.to_thread(SpecialistApp, sources, variants, _each_alone)
    config = uvicorn.Config(_app(replica, sources), log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as in serving.py
        task = asyncio.create_task(server.serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task


def _sources(folder: Path) -> dict[str, ModelSource]:
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    (folder / "weights").symlink_to(WEIGHTS)
    models = [one for one in CATALOG.models.values() if one.task in SPECIALIST_TASKS]
    weights = {
        one.id: obtain_weights(one, folder, _ignore_progress, convert_in_child_process)
        for one in models
    }
    return {one.id: ModelSource.for_model(one, weights[one.id].source) for one in models}


def _app(replica: SpecialistApp, sources: Mapping[str, ModelSource]) -> Starlette:
    async def models(scope: Scope, receive: Receive, send: Send) -> None:
        await (await replica(Request(scope, receive)))(scope, receive, send)

    async def adapt(request: Request) -> Response:
        async def begun(_request: Request) -> Response:
            name = request.path_params["name"]
            adapter = find_adapter(name, sources[name])
            length = request.query_params.get("schema_length")
            schema, training_file = split_schema(await request.body(), length)
            stated = with_ready_made(with_schema(adapter, schema), sources)
            lines = run_fine_tuning(stated, training_file)
            return StreamingResponse(lines, media_type=NDJSON)

        return await run_handler(request, begun)

    async def ready(_request: Request) -> Response:
        return JSONResponse({"ready": True, "models": dict.fromkeys(sources, True)})

    return Starlette(
        routes=[
            Route("/v2/health/ready", ready),
            Route("/v2/adaptations/{name}", adapt, methods=["POST"]),
            Mount("/v2/models", models),
        ]
    )


def _each_alone() -> RunBatched:
    async def run(asked: QueuedRequest) -> Columns:
        return (await asyncio.to_thread(run_batch, [asked]))[0]

    return run


def _ignore_progress(message: str, fraction: float | None) -> None:
    """Ignore progress: weights exist or are converted once."""
