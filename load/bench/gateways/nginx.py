"""nginx, in both of its parts: the constant upstream of plain calls, and the proxy as the limit."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load.bench.gateways.installation import nginx_program
from load.bench.gateways.payloads import MODELS, PLAIN
from load.bench.gateways.processes import running, wait_for_port
from load.bench.gateways.servers import Gateway, Site

# Connections are kept for as long as the run lasts, so that none is opened anew within it.
_FRAME = """
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
def nginx_answers(folder: Path, port: int) -> Iterator[None]:
    """The upstream of plain calls: one answer, whatever is asked."""
    servers = _ANSWERS.format(port=port, plain=json.dumps(PLAIN), models=json.dumps(MODELS))
    with _running(folder, port, servers):
        yield


@contextmanager
def nginx_proxy(site: Site) -> Iterator[Gateway]:
    """The least that a program between client and upstream costs."""
    servers = _PROXY.format(port=site.port, upstream=site.upstream)
    with _running(site.folder, site.port, servers) as process:
        yield Gateway("nginx", site.port, {}, "bench", process)


@contextmanager
def _running(folder: Path, port: int, servers: str) -> Iterator[int]:
    file = folder / "nginx.conf"
    file.write_text(_FRAME.format(folder=folder, servers=servers), encoding="utf-8")
    command = [nginx_program(), "-p", str(folder), "-c", str(file)]
    with running(command, folder / "nginx.log") as child:
        wait_for_port(port, child)
        yield child.pid
