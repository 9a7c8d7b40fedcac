"""`maas outcomes attesters|evidence|sign|make-keys`: attesters and their signed evidence."""

import os
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.evidence.attesters import (
    PREFIX,
    AttesterNotFound,
    NewAttester,
    accept_attester,
    add_attester,
    list_attesters,
    revoke_attester,
)
from billing.outcomes.evidence.log import (
    EvidenceKind,
    EvidenceSubmission,
    append_evidence,
    list_evidence,
    verify_chain,
)
from billing.outcomes.evidence.signatures import (
    AttestationKeyInvalid,
    generate_key_pair,
    parse_public_key,
    parse_signature,
    sign,
    signing_message,
)
from billing.outcomes.evidence.views import attester_json, evidence_json
from gateway.cli.outcomes.contracts import (
    By,
    ContractName,
    find_account_contract,
    parse_operator,
)
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command, read_text_file
from infra import ids
from infra.clock import Clock

attesters_app = typer.Typer(help="Manage the attesters of a contract.", no_args_is_help=True)
evidence_app = typer.Typer(help="Manage signed evidence.", no_args_is_help=True)
AttesterId = Annotated[str, typer.Argument(help="Attester ID (atst_…).")]
EvidenceFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="File with the evidence.")
]
Kind = Annotated[EvidenceKind, typer.Option(help="Kind of evidence.")]


@attesters_app.command("add")
@command
async def attesters_add(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    contract: ContractName,
    kind: Annotated[AttesterKind, typer.Option(help="Kind of attester.")],
    name: Annotated[str, typer.Option(help="Display name of the attester.")],
    public_key: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="File with the public key (PEM).")
    ],
    by: By,
) -> Record:
    """Add an attester as the operator.

    Adds one of the operator's models, or a neutral sensor that the customer must then accept.
    """
    key = parse_public_key(read_text_file(public_key, "The key", AttestationKeyInvalid))
    owner, row = await find_account_contract(session, account, contract)
    new_attester, operator = NewAttester(kind, name, key), parse_operator(by)
    attester = await add_attester(session, clock, owner.id, row.id, new_attester, operator)
    return Record("Attester added.", attester_json(attester))


@attesters_app.command("list")
@command
async def attesters_list(
    session: AsyncSession, account: AccountName, contract: ContractName
) -> Table:
    """List a contract's attesters, including revoked ones."""
    owner, row = await find_account_contract(session, account, contract)
    attesters = await list_attesters(session, owner.id, row.id)
    return Table([attester_json(one) for one in attesters], ("id", "kind", "name", "heard"))


@attesters_app.command("accept")
@command
async def attesters_accept(
    session: AsyncSession, clock: Clock, account: AccountName, attester: AttesterId, by: By
) -> Record:
    """Accept a neutral sensor that the customer added."""
    owner, attester_id = await get_account(session, account), _parse_attester_id(attester)
    accepted = await accept_attester(session, clock, owner.id, attester_id, parse_operator(by))
    return Record("Attester accepted.", attester_json(accepted))


@attesters_app.command("revoke")
@command
async def attesters_revoke(
    session: AsyncSession, clock: Clock, account: AccountName, attester: AttesterId, by: By
) -> Record:
    """Revoke an attester.

    Its earlier evidence stays valid.
    """
    owner, attester_id = await get_account(session, account), _parse_attester_id(attester)
    revoked = await revoke_attester(session, clock, owner.id, attester_id, parse_operator(by))
    return Record("Attester revoked.", attester_json(revoked))


@evidence_app.command("add")
@command
async def evidence_add(
    session: AsyncSession,
    clock: Clock,
    file: EvidenceFile,
    account: AccountName,
    contract: ContractName,
    kind: Kind,
    attester: Annotated[str, typer.Option(help="Attester ID (atst_…).")],
    signature: Annotated[
        str, typer.Option(help="Signature in base64, as `maas outcomes sign` prints it.")
    ],
) -> Record:
    """Store a signed file as evidence.

    The file is stored byte for byte.
    """
    submission = EvidenceSubmission(
        _parse_attester_id(attester), kind, file.read_bytes(), parse_signature(signature)
    )
    owner, row = await find_account_contract(session, account, contract)
    stored = await append_evidence(session, clock, owner.id, row.id, submission)
    return Record("Evidence stored.", evidence_json(stored, include_body=False))


@evidence_app.command("list")
@command
async def evidence_list(
    session: AsyncSession,
    account: AccountName,
    contract: ContractName,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Maximum number of entries to list.")
    ] = 100,
    after: Annotated[int, typer.Option(min=0, help="List entries after this position.")] = 0,
) -> Table:
    """List a contract's evidence in the order in which it was received."""
    owner, row = await find_account_contract(session, account, contract)
    rows = await list_evidence(session, owner.id, row.id, limit, after, include_body=False)
    columns = ("position", "id", "kind", "attester", "received_at", "digest")
    return Table([evidence_json(entry, include_body=False) for entry in rows], columns)


@evidence_app.command("verify")
@command
async def evidence_verify(
    session: AsyncSession, account: AccountName, contract: ContractName
) -> Record:
    """Verify a contract's evidence.

    Checks all signatures and the hash chain. Exits with code 1 if an entry was changed.
    """
    owner, row = await find_account_contract(session, account, contract)
    chain = await verify_chain(session, owner.id, row.id)
    fields = {
        "entries": chain.entries,
        "head": chain.head.hex(),
        "broken_at": chain.broken_at,
        "fault": chain.fault,
    }
    if chain.fault:
        return Record("The evidence chain is broken.", fields, exit_code=1)
    return Record("All evidence is valid.", fields)


@command
def sign_file(
    file: EvidenceFile,
    contract: Annotated[str, typer.Option(help="Contract ID (octr_…).")],
    kind: Kind,
    key: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="File with the private key (PEM).")
    ],
) -> Record:
    """Sign a file as evidence.

    Needs no database. Run it on the machine that stores the private key.
    """
    message = signing_message(contract, kind, file.read_bytes())
    return Record("Signed.", {"signature": sign(key.read_bytes(), message)})


@command
def make_key_files(
    name: Annotated[
        Path, typer.Argument(help="Path of the files to create: NAME.pem and NAME.pub.pem.")
    ],
) -> Record:
    """Create an attester's key pair.

    Keep the private key (NAME.pem) secret.
    """
    private, public = generate_key_pair()
    _write_new_file(name.with_name(f"{name.name}.pem"), private, 0o600)
    _write_new_file(name.with_name(f"{name.name}.pub.pem"), public, 0o644)
    return Record("Key pair created.", {"private": f"{name}.pem", "public": f"{name}.pub.pem"})


def _parse_attester_id(attester: str) -> UUID:
    """Parse an attester id. Raises AttesterNotFound if it is invalid."""
    attester_id = ids.parse_id(PREFIX, attester)
    if attester_id is None:
        raise AttesterNotFound(
            f"{attester[:100]!r} is not an attester ID (atst_…). "
            "Run `maas outcomes attesters list` to see attester IDs.",
            param="attester",
        )
    return attester_id


def _write_new_file(path: Path, content: bytes, mode: int) -> None:
    """Write a new file with a mode. Never overwrites a key, which would be lost."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise AttestationKeyInvalid(
            f"{path} cannot be written: {error.strerror}. Existing keys are never overwritten."
        ) from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)
