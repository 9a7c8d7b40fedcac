"""The page of a fine-tuned model: versions with scores, changes, rollback, deletion."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.accounts import ACCOUNT_ID_PREFIX, get_account
from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from billing.metering.key_epoch import read_epoch
from gateway.access.propagation import Propagation
from gateway.call.errors import ModelNotFound
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys
from gateway.dashboard.pages.own_models.acceptance import actor_name
from gateway.dashboard.pages.own_models.listing import MODELS_URL
from gateway.fine_tuning import deletion, versions
from gateway.fine_tuning.removal import VariantRemoval
from gateway.identity.roles import Permission
from gateway.observations.report import load_reports
from gateway.observations.shadow_report import load_shadow_report, shadow_json
from gateway.observations.shadows import ShadowNotFound
from gateway.registry.activations import (
    NoPreviousVersion,
    find_rollback_target,
    list_activations,
)
from gateway.retraining import schedules
from gateway.retraining.views import run_json, schedule_json
from gateway.tables import Adaptation, Variant, VariantDeletion
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

VARIANTS_URL = f"{MODELS_URL}/variants"
_SHOWN_CHANGES = 20


class VariantPages(Controller):
    """Handlers of `/dashboard/models/variants/{variant}`."""

    path = "/models/variants/{variant:str}"

    @get("/", name="dashboard:variant")
    async def show_variant(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        variant: FromPath[str],
    ) -> Response[str]:
        """Show the versions of a model, or what its deletion erased."""
        return await render_variant(page, database, clock, variant, EMPTY_FORM)

    @post("/current", permission=Permission.CALL)
    async def choose_version(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        propagation: NamedDependency[Propagation],
        variant: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Set the version that answers calls."""
        number = (await read_form_fields(request)).get("version", "")
        version = int(number) if number.isdecimal() and len(number) < 10 else 0
        try:
            async with database.transaction() as session:
                await versions.activate(
                    session, clock, page.actor, page.account_id, variant, version
                )
                epoch = await read_epoch(session)
        except ModelNotFound as error:
            raise PageNotFound(error.message) from error
        await propagation.wait(epoch)
        return page.redirect(f"{VARIANTS_URL}/{variant}")

    @post("/rollback", permission=Permission.CALL)
    async def roll_back(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        propagation: NamedDependency[Propagation],
        variant: FromPath[str],
    ) -> Response[Any]:
        """Return to the version before the current one."""
        try:
            async with database.transaction() as session:
                await versions.roll_back(session, clock, page.actor, page.account_id, variant)
                epoch = await read_epoch(session)
        except ModelNotFound as error:
            raise PageNotFound(error.message) from error
        except NoPreviousVersion as error:
            form = with_errors(page, {}, error)
            return await render_variant(page, database, clock, variant, form, UNPROCESSABLE)
        await propagation.wait(epoch)
        return page.redirect(f"{VARIANTS_URL}/{variant}")

    @post("/delete", permission=Permission.CALL)
    async def delete_variant(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        propagation: NamedDependency[Propagation],
        variant_removal: NamedDependency[VariantRemoval],
        variant: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Delete the model with all its versions, and show what was erased."""
        with_files = bool((await read_form_fields(request)).get("training_files"))
        try:
            async with database.transaction() as session:
                deleted = await deletion.delete_model(
                    session, clock, page.actor, page.account_id, variant, with_files
                )
                epoch = await read_epoch(session)
        except ModelNotFound as error:
            raise PageNotFound(error.message) from error
        await propagation.wait(epoch)
        response = page.redirect(f"{VARIANTS_URL}/{variant}")
        response.background = BackgroundTask(variant_removal.remove, deleted)
        return response


async def render_variant(
    page: PageRequest,
    database: Database,
    clock: Clock,
    variant: str,
    form: FormState,
    status: int = 200,
) -> Response[str]:
    """Render the page of a model, live or deleted. Raises PageNotFound if there was none."""
    account_id = page.account_id
    rows: Sequence[tuple[Variant, Adaptation]]
    async with database.transaction() as session:
        profile = await get_profile(session, account_id)
        deletions: Sequence[VariantDeletion] = ()
        try:
            deletions = await deletion.list_deletions(session, account_id, variant, 1, None)
            rows = await versions.list_versions_with_jobs(session, account_id, variant)
            target = await find_rollback_target(session, account_id, variant)
        except ModelNotFound as error:
            if not deletions:
                raise PageNotFound(error.message) from error
            rows, target = (), None
        changes = await list_activations(session, account_id, variant, _SHOWN_CHANGES, None)
        names = {
            actor: await actor_name(session, account_id, actor)
            for actor in {row.activated_by for row in changes}
            | {job.accepted_by for _, job in rows}
            | {row.deleted_by for row in deletions}
        }
    reports = await load_reports(database, account_id, variant) if rows else ()
    return page.render(
        "own_variant.html",
        status=status,
        variant=variant,
        title=variant.rpartition(":")[2],
        versions=[
            (version, versions.render_version(variant, version, job)) for version, job in rows
        ],
        target=target,
        reports=[one for one in reports if one.report is not None],
        shadow=await _load_shadow(database, clock, account_id, variant) if rows else None,
        schedule=await _load_schedule(database, clock, account_id, variant) if rows else None,
        keys=key_choices(await list_active_keys(page, database, clock)) if rows else (),
        candidates=[
            (str(version.version), str(version.version))
            for version, _ in rows
            if not version.current
        ],
        changes=changes,
        names=names,
        deletions=[(row, deletion.render_deletion(row)) for row in deletions],
        form=form,
        may=page.viewer.has_permission(Permission.CALL),
        zone=parse_time_zone(profile.time_zone),
    )


async def _load_schedule(
    database: Database, clock: Clock, account_id: UUID, variant: str
) -> dict[str, Any] | None:
    """Return the schedule of a model with its runs; None if it has none."""
    async with database.transaction() as session:
        try:
            row = await schedules.find_schedule(session, account_id, variant)
        except schedules.ScheduleNotFound:
            return None
        runs = await schedules.list_runs(session, row)
        committed = await schedules.sum_committed(session, row, clock.now())
        currency = (
            await get_account(session, ids.format_id(ACCOUNT_ID_PREFIX, account_id))
        ).currency
    return {
        **schedule_json(row, runs, committed),
        "committed_nano": committed,
        "budget_nano": row.budget_nano,
        "currency": currency,
        "next": row.next_at,
        "runs": [(run, run_json(run)) for run in runs],
    }


async def _load_shadow(
    database: Database, clock: Clock, account_id: UUID, variant: str
) -> dict[str, Any] | None:
    """Return the newest shadow deployment of a model with its figures; None if it has none."""
    try:
        row, report = await load_shadow_report(database, account_id, variant)
    except ShadowNotFound:
        return None
    return shadow_json(clock, row, report)
