"""`python -m load.constant_upstream PORT`: the constant upstream as a process.

A handler is cancelled when its client is gone, as engines' generations are.
"""

import argparse

import uvloop
from aiohttp import web

from load.constant_upstream.engine import Engine, Speed
from load.constant_upstream.server import application


async def _application(speed: Speed) -> web.Application:
    """Made where its event loop runs."""
    return application(Engine(speed))


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m load.constant_upstream", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--prefill", type=float, default=0.0, help="prompt tokens a second; 0: any")
    parser.add_argument("--token-ms", type=float, default=0.0, help="from a token to the next")
    parser.add_argument("--slots", type=int, default=0, help="generations at a time; 0: any number")
    given = parser.parse_args()
    speed = Speed(given.prefill, given.token_ms / 1000, given.slots)
    uvloop.install()
    web.run_app(
        _application(speed),
        host="127.0.0.1",
        port=given.port,
        access_log=None,
        print=lambda _: None,
        shutdown_timeout=2.0,
        handler_cancellation=True,
    )


if __name__ == "__main__":
    main()
