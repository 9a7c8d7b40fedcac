"""Set or delete the schedule of a model's training on its page."""

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.access.authenticator import Authenticator
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import load_principal
from gateway.dashboard.pages.own_models.variant import VARIANTS_URL, render_variant
from gateway.identity.roles import Permission
from gateway.retraining import schedules
from gateway.wire.own_models.retraining import RetrainingRequest, validate_retraining_request
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_FIELDS = ("every", "filename", "budget", "automatic", "with_observations", "key")
_CHOICES = ("week", "month", "drift")


class RetrainingPages(Controller):
    """Handlers of `/dashboard/models/variants/{variant}/retraining`."""

    path = "/models/variants/{variant:str}/retraining"

    @post("/", permission=Permission.CALL)
    async def set_schedule(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        authenticator: NamedDependency[Authenticator],
        variant: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Set the schedule; the chosen key pays."""
        fields, account_id = await read_form_fields(request), page.account_id
        try:
            parsed = _request_of(fields)
            principal = await load_principal(
                page, database, clock, authenticator, fields.get("key", "")
            )
            async with database.transaction() as session:
                await schedules.set_schedule(
                    session, clock, page.actor, account_id, principal.key_id, variant, parsed
                )
        except PageNotFound:
            raise
        except AppError as error:
            if error.status == 404:
                raise PageNotFound(error.message) from error
            form = with_errors(page, {one: fields.get(one, "") for one in _FIELDS}, error)
            return await render_variant(page, database, clock, variant, form, UNPROCESSABLE)
        return page.redirect(f"{VARIANTS_URL}/{variant}")

    @post("/delete", permission=Permission.CALL)
    async def delete_schedule(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        variant: FromPath[str],
    ) -> Response[Any]:
        """Delete the schedule; a job that runs goes on."""
        try:
            async with database.transaction() as session:
                await schedules.delete_schedule(
                    session, clock, page.actor, page.account_id, variant
                )
        except AppError as error:
            raise PageNotFound(error.message) from error
        return page.redirect(f"{VARIANTS_URL}/{variant}")


def _request_of(fields: Mapping[str, str]) -> RetrainingRequest:
    """Return the schedule that a form describes. Raises ParameterInvalid."""
    every = fields.get("every", "")
    return validate_retraining_request(
        RetrainingRequest(
            every=every if every in _CHOICES else "month",  # type: ignore[arg-type]
            budget=fields.get("budget", "").strip(),
            filename=fields.get("filename", "").strip()[:200] or None,
            automatic=bool(fields.get("automatic")),
            with_observations=bool(fields.get("with_observations")),
        )
    )
