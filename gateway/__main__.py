"""One gateway: uvicorn with as many processes as the settings say. `maas up` starts it."""

import uvicorn

from gateway.asgi.server_protocol import Listening
from infra.processes import end_with_parent
from infra.settings import load_settings
from infra.telemetry.log import configure_logging


def main() -> None:
    """Serve until told to stop; running calls are given time to end."""
    settings = load_settings()
    configure_logging(settings.log_level)
    end_with_parent()
    uvicorn.run(
        "gateway.app:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=Listening,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
        # A process that a busy machine lets wait must not be taken for dead, with its calls.
        timeout_worker_healthcheck=60,
        backlog=2048,
    )


if __name__ == "__main__":
    main()
