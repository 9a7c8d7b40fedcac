"""`maas node`: registration of records, and access to restricted fields."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.cli.nodes.prefixes import PrefixName
from gateway.cli.results import Record, Table
from gateway.cli.runner import command, read_text_file
from gateway.plant.identifiers.csv_lines import lines_of_csv
from gateway.plant.identifiers.denials import issue_access_token
from gateway.plant.identifiers.errors import RecordInvalid
from gateway.plant.identifiers.node.access import create_access_key, revoke_access_keys
from gateway.plant.identifiers.node.authorities import get_authority
from gateway.plant.identifiers.node.records import Registrar
from gateway.plant.identifiers.prefixes import parse_prefix
from gateway.plant.identifiers.records import Access
from gateway.plant.identifiers.registration import parse_lines
from infra.clock import Clock
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

AccessLevel = Annotated[Literal["partner", "owner"], typer.Option(help="partner or owner fields.")]
Label = Annotated[str, typer.Option(help="Who uses it.")]


@command
async def node_register(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    prefix: PrefixName,
    file: Annotated[Path, typer.Argument(help="JSON lines or CSV (.csv), at most 1 MiB.")],
) -> Table:
    """Register records of a prefix of this node from a file of JSON lines or CSV."""
    body = read_text_file(file, "The file", RecordInvalid).encode()
    if file.suffix.lower() == ".csv":
        body = lines_of_csv(body)
    own = await get_authority(session, Sealer(secret_key(settings)), parse_prefix(prefix))
    results = await Registrar([own], clock).register(session, parse_lines(body))
    rows = [
        {
            "line": one.number,
            "status": one.status,
            "id": one.id,
            "version": one.version,
            "error": None if one.error is None else one.error.message,
        }
        for one in results
    ]
    return Table(rows, ("line", "status", "id", "version", "error"))


@command
async def node_access_key(
    session: AsyncSession,
    clock: Clock,
    prefix: PrefixName,
    label: Label,
    access: AccessLevel = "partner",
) -> Record:
    """Create a key for the restricted fields of a prefix. It is shown once."""
    parsed = parse_prefix(prefix)
    secret = await create_access_key(session, clock, parsed, Access(access), label)
    return Record("Access key created.", {"prefix": parsed.text, "access": access, "key": secret})


@command
async def node_revoke_access(
    session: AsyncSession, clock: Clock, prefix: PrefixName, label: Label
) -> Record:
    """Revoke the access keys of a prefix with a label."""
    revoked = await revoke_access_keys(session, clock, parse_prefix(prefix), label)
    return Record("Access keys revoked.", {"revoked": revoked})


@command
async def node_token(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    prefix: PrefixName,
    label: Label,
    access: AccessLevel = "partner",
    hours: Annotated[int, typer.Option(min=1, max=24 * 366, help="Hours until it expires.")] = 24,
) -> Record:
    """Sign a token with which its holder reads the restricted fields of a prefix."""
    own = await get_authority(session, Sealer(secret_key(settings)), parse_prefix(prefix))
    now = clock.now()
    until = now + timedelta(hours=hours)
    token = issue_access_token(own.authority, Access(access), label, until, now)
    return Record("Token signed.", {"expires_at": until.isoformat(), "token": token})
