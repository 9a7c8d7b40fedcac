"""`python -m load.constant_upstream PORT`: run the constant upstream.

Handlers are cancelled when the client disconnects, as engines abort a generation.
"""

import argparse

import uvloop
from aiohttp import web

from load.constant_upstream.engine import Engine, UpstreamSpeed
from load.constant_upstream.server import create_application


async def _application(speed: UpstreamSpeed, calls_tools: bool) -> web.Application:
    """Create the application inside its event loop."""
    return create_application(Engine(speed), calls_tools)


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(prog="python -m load.constant_upstream", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--prefill", type=float, default=0.0, help="prompt tokens/s; 0: unlimited")
    parser.add_argument("--token-ms", type=float, default=0.0, help="milliseconds per token")
    parser.add_argument("--slots", type=int, default=0, help="concurrent answers; 0: unlimited")
    parser.add_argument("--tool-loop", action="store_true", help="answers call hosted tools")
    given = parser.parse_args()
    speed = UpstreamSpeed(given.prefill, given.token_ms / 1000, given.slots)
    uvloop.install()
    web.run_app(
        _application(speed, given.tool_loop),
        host="127.0.0.1",
        port=given.port,
        access_log=None,
        print=lambda _: None,
        shutdown_timeout=2.0,
        handler_cancellation=True,
    )


if __name__ == "__main__":
    main()
