"""Import files into an account's plant model: preview, then confirm; and export it.

    file -> read -> check -> plan -> stored preview -> confirm -> apply in one transaction

One import is read or written at a time in a process, and few wait for it, so that memory and
processor time are bounded.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.links import Links
from gateway.plant.assets.errors import (
    ExportTooLarge,
    ImportBusy,
    ImportExpired,
    ImportNotReady,
    PlantChanged,
    PlantModelInvalid,
)
from gateway.plant.assets.ids import IMPORT
from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.limits import MAX_NAME, PlantLimits
from gateway.plant.assets.plan import Action, ImportMode, ImportPlan, plan_import
from gateway.plant.assets.validation import Checks, check_model
from gateway.plant.assets.values import NodeKind, PlantModel, Source
from gateway.plant.imports.change_views import plan_json
from gateway.plant.imports.exchange_formats import ExchangeContent, PlantFile
from gateway.plant.imports.exchange_process import StoredFile, read_in_process
from gateway.plant.imports.exporting import ExportFormat, render_export
from gateway.plant.imports.previews import (
    APPLIED,
    FAILED,
    LIFETIME,
    NOTE_SENTENCES,
    PREVIEWED,
    READING,
    delete_old_previews,
    find_import,
    pack_model,
    unpack_model,
)
from gateway.plant.imports.readers import FileContent, exchange_content, read_plant_file
from gateway.plant.store.applying import Writing, apply_plan
from gateway.plant.store.loading import load_index, load_model
from gateway.plant.store.revisions import advance_revision
from gateway.tables.plant import PlantImport
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, allow_long_statements
from infra.errors import AppError
from infra.settings import Settings
from models.problems import Problem, Problems, single_problem
from models.sentences import sentence

_MAX_WAITING = 4
# Writing 100,000 rows takes about half a minute.
MAX_XLSX_ROWS = 50_000
# Tag lists, tables and JSON are read in the gateway's process.
MAX_TABLE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a file is imported."""

    mode: ImportMode = ImportMode.MERGE
    omit_unknown_units: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read: its model, the format, the plan, and the summary to show."""

    model: PlantModel
    source: Source
    plan: ImportPlan
    summary: dict[str, Any]
    content: bytes


class PlantImporter:
    """Previews and applies imports, and renders exports. Bound to one event loop.

    `base_url` is the public address of the gateway, which exports name.
    """

    def __init__(
        self, database: Database, clock: Clock, limits: PlantLimits, base_url: str = ""
    ) -> None:
        self._database = database
        self._clock = clock
        self.limits = limits
        self._base_url = base_url
        self._lock = asyncio.Lock()
        self._waiting = 0
        self.tasks: set[asyncio.Task[None]] = set()

    @classmethod
    def from_settings(cls, settings: Settings, database: Database, clock: Clock) -> "PlantImporter":
        """Return an importer with the limits of the settings."""
        limits = PlantLimits(
            settings.plant_max_assets, settings.plant_max_points, settings.plant_import_bytes
        )
        return cls(database, clock, limits, Links.from_settings(settings).base)

    async def preview(
        self, account_id: UUID, actor: Actor, file: PlantFile | StoredFile, options: ImportOptions
    ) -> PlantImport:
        """Store the preview of a file and return it. Raises PlantModelInvalid, ImportBusy."""
        row = self._row(account_id, actor, file, options)
        async with self._turn():
            await self._read_into(row, file, options)
            row.created_at = self._clock.now()
            async with self._database.transaction() as session:
                await delete_old_previews(session, account_id, row.created_at)
                session.add(row)
        return row

    async def begin(
        self, account_id: UUID, actor: Actor, file: PlantFile | StoredFile, options: ImportOptions
    ) -> PlantImport:
        """Store an import whose file is read after this returns, and return it.

        Its status becomes `previewed`, or `failed` with the problems. Raises ImportBusy.
        """
        if self._waiting >= _MAX_WAITING:
            raise ImportBusy
        row = self._row(account_id, actor, file, options)
        shown = PlantImport(**row.model_dump())
        async with self._database.transaction() as session:
            await delete_old_previews(session, account_id, row.created_at)
            session.add(PlantImport(**row.model_dump()))
        kept = file if isinstance(file, PlantFile) else file.kept_open()
        task = asyncio.create_task(self._finish(row, kept, options))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return shown

    async def _finish(
        self, row: PlantImport, file: PlantFile | StoredFile, options: ImportOptions
    ) -> None:
        """Read the file of an import that was begun, and store its preview or its problems."""
        try:
            async with self._turn():
                await self._read_into(row, file, options)
        except AppError as error:
            row.status, row.content = FAILED, b""
            row.summary = {"error": {"code": error.code, "message": error.message}}
            row.summary |= dict(error.details or {})
        finally:
            if isinstance(file, StoredFile):
                file.stream.close()
        async with self._database.transaction() as session:
            await session.merge(row)

    def _row(
        self, account_id: UUID, actor: Actor, file: PlantFile | StoredFile, options: ImportOptions
    ) -> PlantImport:
        """Return an import whose file is not read yet."""
        return PlantImport(
            id=ids.new_id(),
            account_id=account_id,
            status=READING,
            mode=options.mode.value,
            source=Source.MANUAL.value,
            file_name=printable(file.name),
            revision=0,
            content=b"",
            summary={},
            actor=actor_text(actor),
            created_at=self._clock.now(),
        )

    async def _read_into(
        self, row: PlantImport, file: PlantFile | StoredFile, options: ImportOptions
    ) -> None:
        """Read a file and make its import a preview. Raises PlantModelInvalid."""
        found = await self._open(file)
        async with self._database.transaction() as session:
            index = await load_index(session, row.account_id)
        read = await asyncio.to_thread(self._read, found, index, options)
        row.status, row.source, row.revision = PREVIEWED, read.source.value, index.revision
        row.content, row.summary = read.content, read.summary

    async def read_model(self, file: PlantFile | StoredFile) -> PlantModel:
        """Return the model of a file that is not imported; unknown units are left out.

        Raises PlantModelInvalid, ImportBusy.
        """
        async with self._turn():
            return await asyncio.to_thread(self._read_alone, await self._open(file))

    async def confirm(self, account_id: UUID, actor: Actor, import_id: str) -> PlantImport:
        """Apply a preview and return it; an applied one is returned as it is.

        Raises PlantNodeNotFound, PlantChanged, ImportExpired, ImportBusy.
        """
        async with self._turn(), self._database.transaction() as session:
            await allow_long_statements(session)
            row = await find_import(session, account_id, import_id, is_locked=True)
            if row.status == APPLIED:
                return row
            if row.status != PREVIEWED:
                raise ImportNotReady("The file of the import is being read, or could not be read.")
            now = self._clock.now()
            if row.created_at + LIFETIME < now:
                raise ImportExpired("The preview is older than a day. Import the file again.")
            if await advance_revision(session, account_id) != row.revision + 1:
                raise PlantChanged(
                    "The plant model was changed after the preview. Import the file again."
                )
            index = await load_index(session, account_id)
            plan = await asyncio.to_thread(_plan, row.content, index, ImportMode(row.mode))
            writing = Writing(
                session, account_id, Source(row.source), actor_text(actor), now, dict(index.ids)
            )
            await apply_plan(writing, plan, index)
            row.status, row.applied_at, row.content = APPLIED, now, b""
            subject, details = ids.format_id(IMPORT, row.id), {"counts": plan.counts()}
            await record_audit_event(
                session, self._clock, actor, account_id, "plant.imported", subject, details
            )
        return row

    async def export(self, account_id: UUID, export_format: ExportFormat) -> bytes:
        """Return an account's plant model as a file. Raises ImportBusy, ExportTooLarge."""
        async with self._turn():
            async with self._database.transaction() as session:
                model = await load_model(session, account_id)
            rows = len(model.assets) + len(model.points)
            if export_format is ExportFormat.XLSX and rows > MAX_XLSX_ROWS:
                raise ExportTooLarge(
                    f"An Excel export can have at most {MAX_XLSX_ROWS:,} rows. Export as CSV.",
                    param="export_format",
                )
            return await asyncio.to_thread(render_export, model, export_format, self._base_url)

    async def _open(self, file: PlantFile | StoredFile) -> PlantFile | ExchangeContent:
        """Return a file's content; that of a large exchange file is read in a child process.

        Raises PlantModelInvalid for a file that is too large.
        """
        if isinstance(file, PlantFile):
            _check_size(len(file.content), self.limits.file_bytes)
            return file
        _check_size(file.size, self.limits.file_bytes)
        exchange = await read_in_process(file)
        if exchange is not None:
            return exchange
        _check_size(file.size, min(MAX_TABLE_BYTES, self.limits.file_bytes))
        return PlantFile(file.name, await asyncio.to_thread(_whole, file))

    def _content(
        self, file: PlantFile | ExchangeContent, index: PlantIndex, problems: Problems
    ) -> FileContent:
        """Return the content of a file. Adds its problems to `problems`."""
        if isinstance(file, ExchangeContent):
            return exchange_content(file, problems)
        return read_plant_file(file, index, self.limits, problems)

    def _read(
        self, file: PlantFile | ExchangeContent, index: PlantIndex, options: ImportOptions
    ) -> _Read:
        """Read, check and plan a file. Raises PlantModelInvalid with all problems."""
        problems = Problems()
        content = self._content(file, index, problems)
        if content.only_adds and options.mode is ImportMode.REPLACE:
            problems.add(_only_adds())
        checks = Checks(
            _kept(index, options.mode), self.limits, content.lines, options.omit_unknown_units
        )
        model = check_model(content.model, checks, problems)
        if problems.count:
            raise PlantModelInvalid(problems, "file")
        plan = plan_import(index, model, options.mode)
        _check_totals(plan, index, self.limits, problems)
        if problems.count:
            raise PlantModelInvalid(problems, "file")
        summary = {
            **plan_json(plan),
            "unknown_columns": list(content.unknown_columns),
            "notes": [str(note) for note in problems.notes],
            NOTE_SENTENCES: [note.as_json() for note in problems.notes],
        }
        return _Read(model, content.source, plan, summary, pack_model(model))

    def _read_alone(self, file: PlantFile | ExchangeContent) -> PlantModel:
        """Read and check a file by itself. Raises PlantModelInvalid with all problems."""
        problems, nothing = Problems(), PlantIndex()
        content = self._content(file, nothing, problems)
        checks = Checks(nothing, self.limits, content.lines, omit_unknown_units=True)
        model = check_model(content.model, checks, problems)
        if problems.count:
            raise PlantModelInvalid(problems, "file")
        return model

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for the turn of an import. Raises ImportBusy if several wait already."""
        if self._waiting >= _MAX_WAITING:
            raise ImportBusy
        self._waiting += 1
        try:
            async with self._lock:
                yield
        finally:
            self._waiting -= 1


def actor_text(actor: Actor) -> str:
    """Return who made an entry of the mapping history: a person, a key, or the command line."""
    return actor.public_id or "cli"


def _plan(content: bytes, index: PlantIndex, mode: ImportMode) -> ImportPlan:
    """Return the plan of a stored model."""
    return plan_import(index, unpack_model(content), mode)


def _kept(index: PlantIndex, mode: ImportMode) -> PlantIndex:
    """Return what the account keeps whatever a file says, which its model may refer to."""
    if mode is ImportMode.MERGE:
        return index
    replaced = (NodeKind.ASSET, NodeKind.POINT)
    kept = {node: one for node, one in index.ids.items() if node.kind not in replaced}
    return replace(index, assets={}, points={}, ids=kept)


def _check_totals(
    plan: ImportPlan, index: PlantIndex, limits: PlantLimits, problems: Problems
) -> None:
    """Add a problem if the account would have more than its limits."""
    for name, before, most in (
        ("assets", len(index.assets), limits.assets),
        ("points", len(index.points), limits.points),
        ("entities", len(index.entities), limits.assets),
        ("relations", len(index.relations), limits.points),
    ):
        changes = plan.by_kind()[name]
        added = sum(one.action is Action.CREATE for one in changes)
        retired = sum(one.action is Action.RETIRE for one in changes)
        if (count := before + added - retired) > most:
            message = sentence(
                "The account would have {count} {name}; at most {most} are allowed.",
                count=count,
                name=name,
                most=most,
            )
            fix = sentence("Retire some, or ask the operator for a higher limit.")
            problems.add(Problem("plant_limit_reached", message, fix, field=name))


def _check_size(size: int, most: int) -> None:
    """Raise PlantModelInvalid if a file is too large."""
    if size > most:
        message = sentence("The file has more than {most} bytes.", most=most)
        fix = sentence("Import it in parts.")
        raise PlantModelInvalid(single_problem("file_too_large", message, fix, "file"), "file")


def _whole(file: StoredFile) -> bytes:
    """Return the content of a file on disk."""
    file.stream.seek(0)
    return file.stream.read()


def _only_adds() -> Problem:
    """Return the problem of a file without assets that would replace all assets."""
    message = sentence("Work orders and FMEA tables add to the plant; they cannot replace it.")
    return Problem(
        "mode_not_allowed", message, sentence("Import the file with `merge`."), field="mode"
    )


def printable(name: str) -> str:
    """Return the name of a file without characters that cannot be displayed."""
    return "".join(one for one in name if one.isprintable())[:MAX_NAME]
