"""Predictions by asset: find the asset, read the inputs of its model, and store the verdict.

body -> asset and model -> inputs from readings -> body with a row, or with a JSON object
texts of a chat -> the asset that they name -> inputs of a specialist, in its units
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.key_permissions import KeyPermission, may_use, require_permission
from gateway.call.asset_inputs import (
    AssetReadings,
    AssetVerdict,
    LinkedAssets,
    NamedAsset,
)
from gateway.call.errors import UpstreamUnreachable
from gateway.call.values import Call, Operation, Principal, ResolvedModel
from gateway.plant.assets.errors import PlantNodeNotFound
from gateway.plant.predictions.asset_call import AssetCall, AssetReport
from gateway.plant.predictions.body import (
    AssetOptions,
    body_with_row,
    input_json,
    parse_asset_request,
)
from gateway.plant.predictions.conversion import readings_of
from gateway.plant.predictions.decision_body import (
    asked_specialist,
    body_with_readings,
    parse_asset_decision,
)
from gateway.plant.predictions.filling import require_complete
from gateway.plant.predictions.known_selections import (
    KnownSelection,
    KnownSelections,
    key_of,
    read_state,
)
from gateway.plant.predictions.linking import AssetKey, AssetNames, link_assets, named_asset
from gateway.plant.predictions.reading_inputs import InputReader
from gateway.plant.predictions.values import AssetRequest, FilledInputs, MappedInput
from gateway.plant.predictions.verdicts import store_verdict
from gateway.plant.store.queries import find_asset
from gateway.tables.plant import PlantAsset
from gateway.upstream.signatures import Signatures
from gateway.wire.asset_bodies import ASSET_MARK
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from models.catalog import AUTO
from models.ready_made.proposal import read_lexicon
from models.signature import Signature
from models.tag_align.naming import Lexicon

ModelResolver = Callable[[str, Principal], ResolvedModel]
TaskResolver = Callable[[str, Principal], str]
_OPERATIONS = (Operation.PREDICTIONS, Operation.DECISIONS)


class AssetPredictions:
    """Fills the inputs of specialists from the readings of assets. One per gateway process.

    `select` returns the specialist for a task in words, for `auto`. `stored` counts verdicts.
    """

    def __init__(
        self,
        database: Database,
        signatures: Signatures,
        resolve: ModelResolver,
        select: TaskResolver,
        clock: Clock,
        stored: Counter,
    ) -> None:
        self._database = database
        self._signatures = signatures
        self._resolve = resolve
        self._select = select
        self._clock = clock
        self._stored = stored
        self._names = AssetNames()
        self._known = KnownSelections()

    def applies(self, call: Call, body: bytes) -> bool:
        """Whether a request may name an asset instead of rows."""
        return ASSET_MARK in body and call.operation in _OPERATIONS

    async def open(self, call: Call, principal: Principal, body: bytes) -> AssetCall | None:
        """Return the call with a row of inputs in its body; None if it names no asset.

        Raises BodyNotJson, ParameterInvalid, PlantNodeNotFound, AssetInputsInvalid,
        AssetInputsMissing, ReadingsRangeTooLarge, UpstreamUnreachable, and as the resolvers.
        """
        if call.operation is Operation.DECISIONS:
            return await self._open_decision(call, principal, body)
        request = parse_asset_request(body)
        if request is None:
            return None
        model = request.model
        if model == AUTO:
            model = self._select(request.task, principal)
        asked = request.asset_options.to_request(request.asset or "", self._clock.now())
        report, filled, _ = await self._read_report(call, principal, model, asked)
        return self._call(body_with_row(request, model, filled.inputs), report)

    async def _open_decision(
        self, call: Call, principal: Principal, body: bytes
    ) -> AssetCall | None:
        """Return a decision with the readings of its asset as a JSON object; see `open`."""
        request = parse_asset_decision(body)
        if request is None:
            return None
        asked = request.asset_options.to_request(request.asset or "", self._clock.now())
        model = asked_specialist(request)
        report, filled, signature = await self._read_report(call, principal, model, asked)
        readings, converted = readings_of(filled, signature)
        require_complete(converted)
        return self._call(body_with_readings(body, readings), report)

    async def link(self, principal: Principal, texts: Sequence[str]) -> LinkedAssets | None:
        """Return the assets that messages name; None without one, or if they cannot be read."""
        if not may_use(principal, KeyPermission.PLANT_READ):
            return None
        try:
            async with self._database.transaction() as session:
                names = await self._names.of_account(session, principal.account_id)
                return await link_assets(session, principal.account_id, names, texts)
        except AppError as error:
            _warn("assets could not be linked", error)
            return None

    async def find(self, principal: Principal, asset: str) -> NamedAsset:
        """Return an asset by id or code.

        Raises KeyPermissionMissing, PlantNodeNotFound, DatabaseUnavailable.
        """
        require_permission(principal, KeyPermission.PLANT_READ)
        async with self._database.transaction() as session:
            row = await find_asset(session, principal.account_id, asset)
        return named_asset(AssetKey(row.id, row.code, row.name))

    async def signature(self, principal: Principal, model: str) -> Signature:
        """Return the inputs of a model. Raises UpstreamUnreachable, and as the resolver."""
        resolved = self._resolve(model, principal)
        found = await self._signatures.find(resolved, principal.account_id)
        if found is None:
            raise UpstreamUnreachable("The model's inputs could not be read. Try again shortly.")
        return found

    async def read(
        self,
        principal: Principal,
        asset: NamedAsset,
        model: str,
        signature: Signature,
        mapped: Mapping[str, MappedInput] | None = None,
    ) -> AssetReadings:
        """Return the inputs of a model that the asset's newest readings have.

        `mapped` replaces the account's mapping of the model, to preview another one.
        """
        now = self._clock.now()
        asked = AssetOptions().to_request(asset.public_id, now)
        try:
            async with self._database.transaction() as session:
                row = await find_asset(session, principal.account_id, asset.public_id)
                filled = await self._fill(session, row, model, signature, asked, mapped)
        except AppError as error:
            _warn("readings of an asset could not be used", error)
            return AssetReadings(model, now, {})
        readings, used = readings_of(filled, signature)
        return AssetReadings(
            model,
            now,
            readings,
            tuple(input_json(one) for one in used.inputs),
            tuple(one.to_json() for one in used.missing),
        )

    async def store(self, verdicts: Sequence[AssetVerdict]) -> None:
        """Store verdicts of a call whose usage row is durable.

        The answer is durable already: a database that fails now costs the verdicts only.
        """
        if not verdicts:
            return
        try:
            async with self._database.transaction() as session:
                for verdict in verdicts:
                    await store_verdict(session, verdict, self._clock.now())
        except AppError as error:
            self._stored.labels("failed").inc(len(verdicts))
            _warn("a verdict was not stored", error)
            return
        self._stored.labels("stored").inc(len(verdicts))

    def _call(self, body: bytes, report: AssetReport) -> AssetCall:
        """Return a call with a filled body."""
        return AssetCall(body, report, self.store)

    @cached_property
    def _lexicon(self) -> Lexicon:
        """Abbreviations and foreign terms of names; read once, which takes tens of milliseconds."""
        return read_lexicon()

    async def _read_report(
        self, call: Call, principal: Principal, model: str, asked: AssetRequest
    ) -> tuple[AssetReport, FilledInputs, Signature]:
        """Return the report of a call, its inputs, and the model's signature. Raises as `open`."""
        require_permission(principal, KeyPermission.PLANT_READ)
        resolved = self._resolve(model, principal)
        signature = await self.signature(principal, model)
        asset, filled = await self._filled(principal.account_id, model, signature, asked)
        require_complete(filled)
        version = signature.version if resolved.version is None else str(resolved.version)
        report = AssetReport(
            account_id=principal.account_id,
            asset_id=asset.asset_id,
            code=asset.asset_code,
            request_id=call.request_id,
            model=model,
            version=version,
            at=asked.at,
            inputs=tuple(input_json(one) for one in filled.inputs),
            signature=signature,
            values={name: one.value for name, one in readings_of(filled, signature)[0].items()},
        )
        return report, filled, signature

    async def _filled(
        self, account_id: UUID, model: str, signature: Signature, asked: AssetRequest
    ) -> tuple[KnownSelection, FilledInputs]:
        """Return where the inputs of a call come from, as known or as read now, and their values.

        Raises as `open`.
        """
        key = key_of(account_id, model, asked)
        known = self._known.find(key, signature)
        async with self._database.transaction() as session:
            reader = InputReader(session, account_id, self._lexicon)
            point_ids = [] if known is None else known.point_ids
            state, newest = await read_state(session, account_id, model, point_ids)
            if known is not None and known.state == state:
                selection = known.for_request(asked)
                return known, await reader.fill(selection, signature, asked, newest)
            asset = _active(await find_asset(session, account_id, asked.asset))
            selection = await reader.select(asset, model, signature, asked)
            known = KnownSelection(state, asset.id, asset.code, signature, selection)
            self._known.keep(key, known)
            return known, await reader.fill(selection, signature, asked)

    async def _fill(
        self,
        session: AsyncSession,
        asset: PlantAsset,
        model: str,
        signature: Signature,
        asked: AssetRequest,
        mapped: Mapping[str, MappedInput] | None = None,
    ) -> FilledInputs:
        """Return the inputs of a model from the readings of an asset that is not retired."""
        reader = InputReader(session, asset.account_id, self._lexicon, mapped)
        return await reader.read(_active(asset), model, signature, asked)


def _active(asset: PlantAsset) -> PlantAsset:
    """Return an asset. Raises PlantNodeNotFound for a retired one."""
    if asset.retired_at is not None:
        raise PlantNodeNotFound("The asset is retired.", param="asset")
    return asset


def _warn(event: str, error: AppError) -> None:
    """Log an error that a caller is not told."""
    structlog.get_logger().warning(event, reason=error.code)
