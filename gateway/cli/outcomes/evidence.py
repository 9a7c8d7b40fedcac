"""`maas outcomes attesters`, `evidence`, `sign` and `make-keys`: whose word counts, and what they
said.
"""

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
    attesters_of,
    revoke_attester,
)
from billing.outcomes.evidence.log import (
    EvidenceKind,
    Said,
    Verified,
    evidence_page,
    record,
    verify,
)
from billing.outcomes.evidence.signatures import (
    AttestationKeyInvalid,
    make_keys,
    message_of,
    read_public_key,
    read_signature,
    sign,
)
from billing.outcomes.evidence.views import attester_json, evidence_json
from billing.tables import Account, Attester, OutcomeContract
from gateway.cli.outcomes.contracts import By, ContractName, TextFile, operator_of
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, tell, text_of, with_database
from infra import ids
from infra.clock import SystemClock
from infra.settings import Settings

attesters_app = typer.Typer(help="Whose word counts for a contract.", no_args_is_help=True)
evidence_app = typer.Typer(help="What attesters said, signed.", no_args_is_help=True)
AttesterId = Annotated[str, typer.Argument(help="The attester's id (atst_…).")]
Kind = Annotated[EvidenceKind, typer.Option(help="What it is.")]
_Mark = Callable[[AsyncSession, SystemClock, UUID, UUID, Party], Awaitable[Attester]]


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

    def work(settings: Settings, terminal: Terminal) -> None:
        key = read_public_key(text_of(public_key, "The key", AttestationKeyInvalid))
        new = NewAttester(kind, name, key)

        async def add(session: AsyncSession) -> dict[str, Any]:
            owner, found = await _place(session, account, contract)
            who = operator_of(by)
            done = await add_attester(session, SystemClock(), owner.id, found.id, new, who)
            return attester_json(done)

        terminal.record("Added.", with_database(settings, add))

    tell(as_json, work)


@attesters_app.command("list")
def attesters_list(account: AccountName, contract: ContractName, as_json: Json = False) -> None:
    """A contract's attesters, the revoked ones too."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            owner, found = await _place(session, account, contract)
            return [attester_json(one) for one in await attesters_of(session, owner.id, found.id)]

        terminal.table(with_database(settings, read), ("id", "kind", "name", "heard"))

    tell(as_json, work)


@attesters_app.command("accept")
def attesters_accept(
    account: AccountName, attester: AttesterId, by: By, as_json: Json = False
) -> None:
    """Accept a neutral sensor that the customer added."""
    _mark("Accepted.", account, attester, by, as_json, accept_attester)


@attesters_app.command("revoke")
def attesters_revoke(
    account: AccountName, attester: AttesterId, by: By, as_json: Json = False
) -> None:
    """Hear an attester no more; what it said before stays."""
    _mark("Revoked.", account, attester, by, as_json, revoke_attester)


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

    def work(settings: Settings, terminal: Terminal) -> None:
        said = Said(_id(attester), kind, file.read_bytes(), read_signature(signature))

        async def keep(session: AsyncSession) -> dict[str, Any]:
            owner, found = await _place(session, account, contract)
            kept = await record(session, SystemClock(), owner.id, found.id, said)
            return evidence_json(kept, whole=False)

        terminal.record("Kept.", with_database(settings, keep))

    tell(as_json, work)


@evidence_app.command("list")
def evidence_list(
    account: AccountName,
    contract: ContractName,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    after: Annotated[int, typer.Option(min=0, help="Those behind this position.")] = 0,
    as_json: Json = False,
) -> None:
    """A contract's evidence in the order of receipt."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            owner, found = await _place(session, account, contract)
            place = (owner.id, found.id)
            rows = await evidence_page(session, *place, limit, after, whole=False)
            return [evidence_json(one, whole=False) for one in rows]

        columns = ("position", "id", "kind", "attester", "received_at", "digest")
        terminal.table(with_database(settings, read), columns)

    tell(as_json, work)


@evidence_app.command("verify")
def evidence_verify(account: AccountName, contract: ContractName, as_json: Json = False) -> None:
    """Check every signature and the whole chain; exit code 1 where anything was changed."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def check(session: AsyncSession) -> Verified:
            owner, found = await _place(session, account, contract)
            return await verify(session, owner.id, found.id)

        done = with_database(settings, check)
        shown = {"entries": done.entries, "head": done.head.hex()}
        fault = {"broken_at": done.broken_at, "fault": done.fault}
        title = "The chain is broken:" if done.fault else "Every entry holds."
        terminal.record(title, {**shown, **fault})
        if done.fault:
            raise typer.Exit(1)

    tell(as_json, work)


def sign_file(
    file: TextFile,
    contract: Annotated[str, typer.Option(help="The contract's id, octr_….")],
    kind: Kind,
    key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="A private key in PEM.")],
    as_json: Json = False,
) -> None:
    """Sign a file as evidence. Needs no database, so it can be done where the key is."""

    def work(_settings: Settings, terminal: Terminal) -> None:
        message = message_of(contract, kind, file.read_bytes())
        signed = {"signature": sign(key.read_bytes(), message)}
        terminal.record("Signed:", signed)

    tell(as_json, work)


def make_key_files(
    name: Annotated[Path, typer.Argument(help="Makes NAME.pem and NAME.pub.pem.")],
    as_json: Json = False,
) -> None:
    """Make an attester's key pair. The private key is for its owner only."""

    def work(_settings: Settings, terminal: Terminal) -> None:
        private, public = make_keys()
        _write_new(name.with_name(f"{name.name}.pem"), private, 0o600)
        _write_new(name.with_name(f"{name.name}.pub.pem"), public, 0o644)
        terminal.record("Made:", {"private": f"{name}.pem", "public": f"{name}.pub.pem"})

    tell(as_json, work)


def _mark(title: str, account: str, attester: str, by: str, as_json: bool, mark: _Mark) -> None:
    def work(settings: Settings, terminal: Terminal) -> None:
        async def run(session: AsyncSession) -> dict[str, Any]:
            owner, who = await get_account(session, account), operator_of(by)
            return attester_json(await mark(session, SystemClock(), owner.id, _id(attester), who))

        terminal.record(title, with_database(settings, run))

    tell(as_json, work)


async def _place(
    session: AsyncSession, account: str, contract: str
) -> tuple[Account, OutcomeContract]:
    owner = await get_account(session, account)
    return owner, await find_contract(session, owner.id, contract)


def _id(attester: str) -> UUID:
    found = ids.parse(PREFIX, attester)
    if found is None:
        raise AttesterNotFound("An attester's id begins with `atst_`.", param="attester")
    return found


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Never over a key that is there: it would be lost."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise AttestationKeyInvalid(f"{path.name} cannot be written: {error.strerror}.") from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)
