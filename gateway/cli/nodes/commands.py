"""`maas node`: the command group."""

import typer

from gateway.cli.nodes.access import node_access_key, node_register, node_revoke_access, node_token
from gateway.cli.nodes.prefixes import (
    node_accept,
    node_delegate,
    node_key,
    node_prefixes,
    node_revoke,
    node_root,
)
from gateway.cli.nodes.run import node_run
from gateway.cli.nodes.status import node_status

node_app = typer.Typer(no_args_is_help=True)
for _name, _function in (
    ("run", node_run),
    ("status", node_status),
    ("prefixes", node_prefixes),
    ("root", node_root),
    ("key", node_key),
    ("delegate", node_delegate),
    ("accept", node_accept),
    ("revoke", node_revoke),
    ("register", node_register),
    ("access-key", node_access_key),
    ("revoke-access", node_revoke_access),
    ("token", node_token),
):
    node_app.command(_name)(_function)
