"""Start a gateway: uvicorn with MAAS_WORKERS processes. `maas up` runs `python -m gateway`."""

import uvicorn

from gateway.asgi.server_protocol import BoundedHttpProtocol
from infra.processes import exit_with_parent
from infra.settings import load_settings
from infra.telemetry.log import configure_logging


def main() -> None:
    """Serve until SIGINT or SIGTERM; running calls get `shutdown_timeout_s` seconds to end."""
    settings = load_settings()
    configure_logging(settings.log_level)
    exit_with_parent()
    uvicorn.run(
        "gateway.app:create_app",
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
