"""`maas node`: prefixes, keys, delegations and revocations of this installation's node."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.cli.results import Record, Table
from gateway.cli.runner import command, read_text_file
from gateway.plant.identifiers.delegations import Authority, DelegationTerms
from gateway.plant.identifiers.errors import StatementUntrusted
from gateway.plant.identifiers.keys import ALGORITHMS, ED25519, load_key
from gateway.plant.identifiers.node.authorities import (
    OwnAuthorities,
    accept_chain,
    active_delegations,
    create_authority,
    delegate,
    get_authority,
    revoke_delegation,
)
from gateway.plant.identifiers.node.process import load_roots
from gateway.plant.identifiers.prefixes import Prefix, parse_prefix
from infra.clock import Clock
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

PrefixName = Annotated[str, typer.Argument(help="Prefix, such as 88.100 or gs1.9506000.")]
Algorithm = Annotated[str, typer.Option(help=f"Key type: {' or '.join(ALGORITHMS)}.")]
NodeUrl = Annotated[str, typer.Option("--node", help="Address of the node, http(s)://…")]


@command
async def node_prefixes(session: AsyncSession, settings: Settings) -> Table:
    """List the prefixes of this node and what it has delegated."""
    rows: list[dict[str, Any]] = []
    for own in await OwnAuthorities(_sealer(settings)).read(session):
        prefix = own.authority.prefix
        rows.append({"prefix": prefix.text, "status": "own", "kid": own.authority.key.kid})
        rows += [
            {"prefix": row.prefix, "status": "delegated", "kid": row.kid, "node": row.node}
            for row in await active_delegations(session, prefix)
        ]
    return Table(rows, ("prefix", "status", "kid", "node"))


@command
async def node_root(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    prefix: PrefixName,
    node: NodeUrl,
    algorithm: Algorithm = ED25519,
) -> Record:
    """Create a root prefix and print the entry that other nodes trust (MAAS_NODE_ROOTS)."""
    made = await _create(session, settings, clock, prefix, algorithm, None)
    entry = {"prefix": made.prefix.text, "key": made.key.public(), "node": node.rstrip("/")}
    return Record("Root prefix created.", {"entry": msgspec.json.encode([entry]).decode()})


@command
async def node_key(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    prefix: PrefixName,
    algorithm: Algorithm = ED25519,
    account: Annotated[
        str | None, typer.Option(help="Account that registers identifiers under the prefix.")
    ] = None,
) -> Record:
    """Create a key for a prefix and print the public key, which the parent needs to delegate it."""
    made = await _create(session, settings, clock, prefix, algorithm, account)
    key = msgspec.json.encode(made.key.public()).decode()
    return Record("Key created.", {"prefix": made.prefix.text, "kid": made.key.kid, "key": key})


@command
async def node_delegate(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    parent: Annotated[str, typer.Argument(help="Prefix of this node.")],
    prefix: PrefixName,
    key: Annotated[str, typer.Option(help="Public key of the child (JWK).")],
    node: NodeUrl,
    ttl: Annotated[
        int, typer.Option(min=0, max=86_400, help="Seconds for which others may cache it.")
    ] = 300,
) -> Record:
    """Delegate a prefix below one of this node to another key, and print the chain for it."""
    own = await get_authority(session, _sealer(settings), parse_prefix(parent))
    child = Authority(parse_prefix(prefix), load_key(_jwk(key)), node)
    row = await delegate(session, clock, own, child, DelegationTerms(ttl_s=ttl))
    chain = [*own.chain, row.token]
    fields = {"prefix": row.prefix, "kid": row.kid, "expires_at": row.expires_at.isoformat()}
    return Record("Prefix delegated.", {**fields, "chain": "\n".join(chain)})


@command
async def node_accept(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    prefix: PrefixName,
    chain: Annotated[Path, typer.Argument(help="File with the chain, one delegation per line.")],
) -> Record:
    """Verify and store the chain of delegations from a root to a prefix of this node."""
    tokens = read_text_file(chain, "The chain", StatementUntrusted).split()
    parsed = parse_prefix(prefix)
    await accept_chain(session, clock, parsed, tokens, load_roots(settings))
    return Record("Chain accepted.", {"prefix": parsed.text, "delegations": len(tokens)})


@command
async def node_revoke(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    parent: Annotated[str, typer.Argument(help="Prefix of this node.")],
    prefix: PrefixName,
) -> Record:
    """Revoke the key of a delegated prefix. Its records are refused once caches expire."""
    own = await get_authority(session, _sealer(settings), parse_prefix(parent))
    row = await revoke_delegation(session, clock, own, parse_prefix(prefix))
    return Record("Key revoked.", {"prefix": row.prefix, "kid": row.kid})


async def _create(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    prefix: str,
    algorithm: str,
    account: str | None,
) -> Authority:
    """Create the key of a prefix, for an account if one is named."""
    if algorithm not in ALGORITHMS:
        raise typer.BadParameter(f"{' or '.join(ALGORITHMS)}.", param_hint="--algorithm")
    account_id = None if account is None else (await get_account(session, account)).id
    parsed: Prefix = parse_prefix(prefix)
    place = (session, clock, _sealer(settings), parsed)
    made = await create_authority(*place, algorithm=algorithm, account_id=account_id)
    return made.authority


def _jwk(text: str) -> dict[str, Any]:
    """Parse a JWK. Raises StatementUntrusted."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise StatementUntrusted("The key is not a JSON object.", param="key") from None


def _sealer(settings: Settings) -> Sealer:
    """Return the sealer of private keys."""
    return Sealer(secret_key(settings))
