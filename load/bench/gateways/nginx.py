"""nginx as upstream with constant answers, and as proxy for comparison."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load.bench.gateways.installation import nginx_program
from load.bench.gateways.payloads import MODELS, PLAIN
from load.bench.gateways.processes import run_process, wait_for_port
from load.bench.gateways.servers import Gateway, Placement

# Connections stay open for the whole run.
_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {servers}
}}
"""

_ANSWERS = """
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        default_type application/json;
        location = /v1/chat/completions {{ return 200 '{plain}'; }}
        location = /v1/models {{ return 200 '{models}'; }}
        location / {{ return 404; }}
    }}
"""

_PROXY = """
    upstream models {{
        server 127.0.0.1:{upstream};
        keepalive 512;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{
            proxy_pass http://models;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
"""


@contextmanager
def nginx_upstream(folder: Path, port: int) -> Iterator[None]:
    """Run the upstream of plain calls, which always returns the same answer."""
    servers = _ANSWERS.format(port=port, plain=json.dumps(PLAIN), models=json.dumps(MODELS))
    with _run_nginx(folder, port, servers):
        yield


@contextmanager
def nginx_proxy(placement: Placement) -> Iterator[Gateway]:
    """Run nginx as proxy, the least overhead of any program in between."""
    servers = _PROXY.format(port=placement.port, upstream=placement.upstream)
    with _run_nginx(placement.folder, placement.port, servers) as process:
        yield Gateway("nginx", placement.port, {}, "bench", process)


@contextmanager
def _run_nginx(folder: Path, port: int, servers: str) -> Iterator[int]:
    file = folder / "nginx.conf"
    file.write_text(_CONFIG.format(folder=folder, servers=servers), encoding="utf-8")
    command = [nginx_program(), "-p", str(folder), "-c", str(file)]
    with run_process(command, folder / "nginx.log") as child:
        wait_for_port(port, child)
        yield child.pid
