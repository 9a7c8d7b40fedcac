"""Start a gateway: uvicorn with MAAS_WORKERS processes. `maas up` runs `python -m gateway`."""

import sys
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from gateway.asgi.server_protocol import BoundedHttpProtocol
from gateway.asgi.shared_port import bind_shared_port
from infra.processes import exit_with_parent
from infra.settings import Settings, load_settings
from infra.telemetry.log import configure_logging

_APPLICATION = "gateway.app:create_app"


def main() -> None:
    """Serve until SIGINT or SIGTERM; running calls get `shutdown_timeout_s` seconds to end."""
    settings = load_settings()
    configure_logging(settings.log_level)
    exit_with_parent()
    options = _server_options(settings)
    # Elsewhere, SO_REUSEPORT does not distribute connections.
    if settings.workers == 1 or sys.platform != "linux":
        uvicorn.run(_APPLICATION, **options)
        return
    config = uvicorn.Config(_APPLICATION, **options)
    config.bind_socket().close()  # ends this process if another program listens on the port
    Multiprocess(config, [bind_shared_port(settings.host, settings.port)]).run()


def _server_options(settings: Settings) -> dict[str, Any]:
    """Return uvicorn's options, the same in each process."""
    return dict(
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=BoundedHttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
        # On a busy machine a healthy process may answer late; killing it would end its calls.
        timeout_worker_healthcheck=60,
        backlog=2048,
    )


if __name__ == "__main__":
    main()
