"""The web application of the constant upstream."""

from aiohttp import web

from load.constant_upstream.engine import Engine
from load.constant_upstream.handlers import Handlers
from load.constant_upstream.tool_loop import ToolLoopHandlers


def create_application(engine: Engine, calls_tools: bool = False) -> web.Application:
    """Create the web application of one engine; with `calls_tools`, its answers call tools."""
    app = web.Application(client_max_size=1 << 26)
    handlers = Handlers(engine)
    if calls_tools:
        looping = handlers = ToolLoopHandlers(engine)
        app.router.add_get("/served", looping.served)
    for path in ("/v1/models", "/v2/models/{name}/ready", "/v2/health/ready"):
        app.router.add_get(path, handlers.models)
    app.router.add_get("/v2/models/{name}", handlers.metadata)
    app.router.add_post("/v1/chat/completions", handlers.generate)
    app.router.add_post("/v1/completions", handlers.generate)
    app.router.add_post("/v1/embeddings", handlers.embeddings)
    app.router.add_post("/v2/models/{name}/infer", handlers.infer)
    app.router.add_get("/running", handlers.running)
    return app
