"""`maas up`: start the whole service on this machine."""

from gateway.cli.runner import Json, run_command
from gateway.cli.supervisor import run_service


def up_all(as_json: Json = False) -> None:
    """Start everything on this machine; Ctrl-C stops it."""
    run_command(as_json, run_service)
