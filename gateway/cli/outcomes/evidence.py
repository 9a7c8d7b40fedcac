"""`maas outcomes attesters|evidence|sign|make-keys`: attesters and their signed evidence."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.contracts.contracts import find_contract
from billing.outcomes.contracts.parties import Party
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
    ChainVerification,
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
from billing.tables import Account, Attester, OutcomeContract
from gateway.cli.outcomes.contracts import By, ContractName, TextFile, parse_operator
from gateway.cli.output import Output
from gateway.cli.runner import AccountName, Json, read_text_file, run_command, run_in_transaction
from infra import ids
from infra.clock import SystemClock
from infra.settings import Settings

attesters_app = typer.Typer(help="Whose word counts for a contract.", no_args_is_help=True)
evidence_app = typer.Typer(help="What attesters said, signed.", no_args_is_help=True)
AttesterId = Annotated[str, typer.Argument(help="The attester's id (atst_…).")]
Kind = Annotated[EvidenceKind, typer.Option(help="What it is.")]
_AttesterChange = Callable[[AsyncSession, SystemClock, UUID, UUID, Party], Awaitable[Attester]]


@attesters_app.command("add")
def attesters_add(
    account: AccountName,
    contract: ContractName,
    kind: Annotated[AttesterKind, typer.Option(help="Who it is.")],
    name: Annotated[str, typer.Option(help="Its name, for people.")],
    public_key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="In PEM.")],
    by: By,
    as_json: Json = False,
) -> None:
    """Add a model of ours, or a neutral sensor that the customer then accepts."""

    def execute(settings: Settings, output: Output) -> None:
        key = parse_public_key(read_text_file(public_key, "The key", AttestationKeyInvalid))
        new_attester = NewAttester(kind, name, key)

        async def add_to_contract(session: AsyncSession) -> dict[str, Any]:
            owner, row = await _find_contract(session, account, contract)
            who = parse_operator(by)
            attester = await add_attester(
                session, SystemClock(), owner.id, row.id, new_attester, who
            )
            return attester_json(attester)

        output.record("Added.", run_in_transaction(settings, add_to_contract))

    run_command(as_json, execute)


@attesters_app.command("list")
def attesters_list(account: AccountName, contract: ContractName, as_json: Json = False) -> None:
    """A contract's attesters, the revoked ones too."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_attesters(session: AsyncSession) -> list[dict[str, Any]]:
            owner, row = await _find_contract(session, account, contract)
            return [
                attester_json(attester)
                for attester in await list_attesters(session, owner.id, row.id)
            ]

        output.table(run_in_transaction(settings, load_attesters), ("id", "kind", "name", "heard"))

    run_command(as_json, execute)


@attesters_app.command("accept")
def attesters_accept(
    account: AccountName, attester: AttesterId, by: By, as_json: Json = False
) -> None:
    """Accept a neutral sensor that the customer added."""
    _change_attester("Accepted.", account, attester, by, as_json, accept_attester)


@attesters_app.command("revoke")
def attesters_revoke(
    account: AccountName, attester: AttesterId, by: By, as_json: Json = False
) -> None:
    """Hear an attester no more; what it said before stays."""
    _change_attester("Revoked.", account, attester, by, as_json, revoke_attester)


@evidence_app.command("add")
def evidence_add(
    file: TextFile,
    account: AccountName,
    contract: ContractName,
    kind: Kind,
    attester: Annotated[str, typer.Option(help="The attester's id (atst_…).")],
    signature: Annotated[str, typer.Option(help="In base64, as `maas outcomes sign` gives it.")],
    as_json: Json = False,
) -> None:
    """Keep a signed file as evidence, to the byte."""

    def execute(settings: Settings, output: Output) -> None:
        submission = EvidenceSubmission(
            _parse_attester_id(attester), kind, file.read_bytes(), parse_signature(signature)
        )

        async def store_evidence(session: AsyncSession) -> dict[str, Any]:
            owner, row = await _find_contract(session, account, contract)
            stored = await append_evidence(session, SystemClock(), owner.id, row.id, submission)
            return evidence_json(stored, include_body=False)

        output.record("Kept.", run_in_transaction(settings, store_evidence))

    run_command(as_json, execute)


@evidence_app.command("list")
def evidence_list(
    account: AccountName,
    contract: ContractName,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    after: Annotated[int, typer.Option(min=0, help="Those behind this position.")] = 0,
    as_json: Json = False,
) -> None:
    """A contract's evidence in the order of receipt."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_evidence(session: AsyncSession) -> list[dict[str, Any]]:
            owner, row = await _find_contract(session, account, contract)
            rows = await list_evidence(session, owner.id, row.id, limit, after, include_body=False)
            return [evidence_json(entry, include_body=False) for entry in rows]

        columns = ("position", "id", "kind", "attester", "received_at", "digest")
        output.table(run_in_transaction(settings, load_evidence), columns)

    run_command(as_json, execute)


@evidence_app.command("verify")
def evidence_verify(account: AccountName, contract: ContractName, as_json: Json = False) -> None:
    """Check every signature and the whole chain; exit code 1 where anything was changed."""

    def execute(settings: Settings, output: Output) -> None:
        async def verify(session: AsyncSession) -> ChainVerification:
            owner, row = await _find_contract(session, account, contract)
            return await verify_chain(session, owner.id, row.id)

        verification = run_in_transaction(settings, verify)
        shown = {"entries": verification.entries, "head": verification.head.hex()}
        fault = {"broken_at": verification.broken_at, "fault": verification.fault}
        title = "The chain is broken:" if verification.fault else "Every entry holds."
        output.record(title, {**shown, **fault})
        if verification.fault:
            raise typer.Exit(1)

    run_command(as_json, execute)


def sign_file(
    file: TextFile,
    contract: Annotated[str, typer.Option(help="The contract's id, octr_….")],
    kind: Kind,
    key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="A private key in PEM.")],
    as_json: Json = False,
) -> None:
    """Sign a file as evidence. Needs no database, so it can be done where the key is."""

    def execute(_settings: Settings, output: Output) -> None:
        message = signing_message(contract, kind, file.read_bytes())
        signed = {"signature": sign(key.read_bytes(), message)}
        output.record("Signed:", signed)

    run_command(as_json, execute)


def make_key_files(
    name: Annotated[Path, typer.Argument(help="Makes NAME.pem and NAME.pub.pem.")],
    as_json: Json = False,
) -> None:
    """Make an attester's key pair. The private key is for its owner only."""

    def execute(_settings: Settings, output: Output) -> None:
        private, public = generate_key_pair()
        _write_new_file(name.with_name(f"{name.name}.pem"), private, 0o600)
        _write_new_file(name.with_name(f"{name.name}.pub.pem"), public, 0o644)
        output.record("Made:", {"private": f"{name}.pem", "public": f"{name}.pub.pem"})

    run_command(as_json, execute)


def _change_attester(
    title: str, account: str, attester: str, by: str, as_json: bool, change: _AttesterChange
) -> None:
    """Apply a change to an attester and print it."""

    def execute(settings: Settings, output: Output) -> None:
        async def apply_change(session: AsyncSession) -> dict[str, Any]:
            owner, who = await get_account(session, account), parse_operator(by)
            return attester_json(
                await change(session, SystemClock(), owner.id, _parse_attester_id(attester), who)
            )

        output.record(title, run_in_transaction(settings, apply_change))

    run_command(as_json, execute)


async def _find_contract(
    session: AsyncSession, account: str, contract: str
) -> tuple[Account, OutcomeContract]:
    """Return the account and its contract, by id or name."""
    owner = await get_account(session, account)
    return owner, await find_contract(session, owner.id, contract)


def _parse_attester_id(attester: str) -> UUID:
    """Parse an attester id. Raises AttesterNotFound if it is invalid."""
    attester_id = ids.parse_id(PREFIX, attester)
    if attester_id is None:
        raise AttesterNotFound("An attester id starts with `atst_`.", param="attester")
    return attester_id


def _write_new_file(path: Path, content: bytes, mode: int) -> None:
    """Write a new file with a mode. Never overwrites a key, which would be lost."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise AttestationKeyInvalid(f"{path.name} cannot be written: {error.strerror}.") from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)
