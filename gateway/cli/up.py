"""`maas up`: everything on this machine."""

from gateway.cli.runner import Json, tell
from gateway.cli.supervisor import up


def up_all(as_json: Json = False) -> None:
    """Start everything on this machine; Ctrl-C stops it."""
    tell(as_json, up)
