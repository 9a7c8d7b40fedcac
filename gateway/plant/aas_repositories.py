"""The AAS repositories of accounts, built from the database and kept until the plant changes."""

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, select

from gateway.plant.aas_api.parameters import API_PATH
from gateway.plant.formats.aas.identifiers import Namespace
from gateway.plant.formats.aas.semantics import READINGS_PATH
from gateway.plant.store.loading import load_model
from gateway.tables.plant import PlantRevision
from infra.database.database import Database
from infra.lazy_import import LazyModule

# The classes of the metamodel take a third of a second to import.
if TYPE_CHECKING:
    from gateway.plant.aas_api import repository as repositories
    from gateway.plant.aas_api.repository import AasRepository
    from gateway.plant.formats.aas import shells
else:
    repositories = LazyModule("gateway.plant.aas_api.repository")
    shells = LazyModule("gateway.plant.formats.aas.shells")

_MAX_ACCOUNTS = 4


class AasRepositories:
    """Returns the repository of an account as of its current revision.

    Those of the accounts used last are kept in memory. `base_url` is the public address of the
    gateway.
    """

    def __init__(self, database: Database, base_url: str) -> None:
        self._database = database
        self._base_url = base_url
        self._kept: OrderedDict[UUID, tuple[int, AasRepository]] = OrderedDict()
        self._loading = asyncio.Lock()

    async def get(self, account_id: UUID) -> "AasRepository":
        """Return the repository of an account."""
        revision = await self._revision(account_id)
        if (kept := self._find(account_id, revision)) is not None:
            return kept
        async with self._loading:
            if (kept := self._find(account_id, revision)) is not None:
                return kept
            repository = await self._load(account_id)
            self._keep(account_id, revision, repository)
        return repository

    def _find(self, account_id: UUID, revision: int | None) -> "AasRepository | None":
        """Return the repository in memory if it is of this revision."""
        known = self._kept.get(account_id)
        if known is None or revision is None or known[0] != revision:
            return None
        self._kept.move_to_end(account_id)
        return known[1]

    def _keep(self, account_id: UUID, revision: int | None, repository: "AasRepository") -> None:
        """Keep a repository in memory; one without revision cannot be checked later."""
        if revision is None:
            return
        self._kept[account_id] = (revision, repository)
        self._kept.move_to_end(account_id)
        while len(self._kept) > _MAX_ACCOUNTS:
            self._kept.popitem(last=False)

    async def _revision(self, account_id: UUID) -> int | None:
        """Return the revision of an account's plant model, None before its first change."""
        query = select(PlantRevision.revision).where(col(PlantRevision.account_id) == account_id)
        async with self._database.transaction() as session:
            return (await session.scalars(query)).one_or_none()

    async def _load(self, account_id: UUID) -> "AasRepository":
        """Build the repository of an account. Ids are unique across accounts."""
        async with self._database.transaction() as session:
            model = await load_model(session, account_id)
        readings = f"{self._base_url}{READINGS_PATH}"
        built = shells.PlantShells(model, Namespace(account_id.hex), readings)
        return repositories.AasRepository(built, f"{self._base_url}{API_PATH}")
