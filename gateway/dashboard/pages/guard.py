"""The guard page: the rules that refuse or mask texts of the account's calls.

Long lists of words are set by the API or the command line: a form holds 4,000 characters.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys
from gateway.dashboard.pages.guard_check import CheckedText, CheckFailed, check_text
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.inference.pipeline import Pipeline
from gateway.registry.guards import (
    get_policy,
    remove_policy,
    require_guard_models,
    set_policy,
)
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Task
from models.guards.policy import Category, GuardInvalid, GuardPolicy, RuleKind, parse_policy

_PAGE = "/dashboard/guard"
_PRESERVED_FIELDS = PreservedFields(
    _PAGE,
    (
        *("kind", "action", "applies_to", "words", "category:"),
        *("model", "on_failure", "on_controversial"),
    ),
)
_SEPARATORS = re.compile(r"[\n\r,，、;；]+")
_EMPTY = GuardPolicy(())


class GuardPages(Controller):
    """Handlers of `/dashboard/guard`."""

    path = "/guard"

    @get("/", name="dashboard:guard")
    async def show_guard(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
    ) -> Response[str]:
        """Show the rules, and the forms for another one and to check a text."""
        return await _render(page, database, clock, catalog)

    @post("/rules", permission=Permission.GUARD, keeps=_PRESERVED_FIELDS)
    async def add_rule(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Add a rule after the others."""
        fields = await read_form_fields(request)
        try:
            added = _parse_rule(fields, catalog)
            async with database.transaction() as session:
                policy = await get_policy(session, page.account_id) or _EMPTY
                changed = parse_policy([*policy.to_json(), *added.to_json()])
                await set_policy(session, clock, page.actor, page.account_id, changed)
        except GuardInvalid as error:
            form = with_errors(page, fields, error)
            return await _render(page, database, clock, catalog, form)
        return page.redirect(_PAGE)

    @post("/check", status_code=200, permission=Permission.CALL)
    async def check(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        pipeline: NamedDependency[Pipeline],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """Check a text with a guard model, and show its verdict."""
        fields = await read_form_fields(request)
        try:
            checked = await check_text(page, database, clock, pipeline, fields)
        except CheckFailed as error:
            form = with_errors(page, fields, error)
            return await _render(page, database, clock, catalog, form)
        return await _render(page, database, clock, catalog, FormState(fields), checked)

    @post("/rules/{number:int}/remove", permission=Permission.GUARD)
    async def remove_rule(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        number: FromPath[int],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Remove a rule, unless the rules have changed since the page was shown."""
        shown = (await read_form_fields(request)).get("version")
        async with database.transaction() as session:
            policy = await get_policy(session, page.account_id) or _EMPTY
            if shown == _version(policy) and 0 <= number < len(policy.rules):
                await _remove(session, page, clock, policy, number)
        return page.redirect(_PAGE)


async def _remove(
    session: AsyncSession, page: PageRequest, clock: Clock, policy: GuardPolicy, number: int
) -> None:
    """Remove a rule of a policy, and with the last one the policy."""
    rest = policy.rules[:number] + policy.rules[number + 1 :]
    if rest:
        await set_policy(session, clock, page.actor, page.account_id, GuardPolicy(rest))
    else:
        await remove_policy(session, clock, page.actor, page.account_id)


async def _render(
    page: PageRequest,
    database: Database,
    clock: Clock,
    catalog: Catalog,
    form: FormState | None = None,
    checked: CheckedText | None = None,
) -> Response[str]:
    """Render the page; with a form that has errors, the status is 422."""
    async with database.transaction() as session:
        policy = await get_policy(session, page.account_id) or _EMPTY
    may_call = page.viewer.has_permission(Permission.CALL)
    guard_models = [(one.id, one.id) for one in catalog.with_task(Task.MODERATION)]
    is_checking = may_call and bool(guard_models)
    keys = await list_active_keys(page, database, clock) if is_checking else []
    is_fine = form is None or checked is not None
    return page.render(
        "guard.html",
        status=200 if is_fine else UNPROCESSABLE,
        form=restored_form(page) if form is None else form,
        rules=policy.rules,
        version=_version(policy),
        categories=[category.value for category in Category],
        guard_models=guard_models,
        check_keys=key_choices(keys),
        checked=checked,
        may=page.viewer.has_permission(Permission.GUARD),
    )


def _version(policy: GuardPolicy) -> str:
    """Return a text that differs between policies."""
    return hashlib.sha256(msgspec.json.encode(policy.to_json())).hexdigest()[:16]


def _parse_rule(fields: Mapping[str, str], catalog: Catalog) -> GuardPolicy:
    """Return a policy of the one rule in a form. Raises GuardInvalid with the form's field."""
    kind = fields.get("kind", "")
    rule: dict[str, Any] = {name: fields.get(name, "") for name in ("kind", "action", "applies_to")}
    if kind == RuleKind.WORDS:
        words = (word.strip() for word in _SEPARATORS.split(fields.get("words", "")))
        rule["words"] = [word for word in words if word]
    elif kind == RuleKind.MODEL:
        names = ("model", "on_failure", "on_controversial")
        rule |= {name: fields.get(name, "") for name in names}
    else:
        rule["categories"] = [one.value for one in Category if f"category:{one.value}" in fields]
    try:
        policy = parse_policy([rule])
        require_guard_models(policy, catalog)
        return policy
    except GuardInvalid as error:
        field = (error.param or "").removeprefix("rules[0].").partition("[")[0]
        raise GuardInvalid(error.message, param=field) from None
