"""`maas up`: everything on this machine."""

from gateway.console import Json, tell
from gateway.up import up


def up_all(as_json: Json = False) -> None:
    """Start everything on this machine; Ctrl-C stops it."""
    tell(as_json, up)
