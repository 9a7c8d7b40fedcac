"""What the pages of sign-up render: the form, the code, the account, and why there is none."""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

import msgspec
from litestar import Response
from litestar.datastructures import Cookie

from billing.plan_changes.offers import list_public_offers
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState
from gateway.dashboard.page_request import UNPROCESSABLE, PublicPageRequest
from gateway.dashboard.security import session_cookie
from gateway.signups.devices import COOKIE_LIFETIME
from gateway.signups.errors import (
    NotInReview,
    SignupDisabled,
    SignupEnded,
    SignupNotFound,
)
from gateway.signups.form import SignupForm
from gateway.signups.messages import is_code_delayed
from gateway.signups.opening import SIGNUP_ID_PREFIX
from gateway.signups.service import SignupResult, SignupService
from gateway.signups.texts import KINDS
from gateway.tables import Signup
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Task

SIGN_UP_URL = "/dashboard/sign-up"
DEVICE_COOKIE = "maas_device"
EMPTY_FIELDS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        (
            *("company_name", "credit_code", "contact_name", "email", "password", "plan"),
            *(f"{kind}_version" for kind in KINDS),
        ),
        "",
    )
)


def read_form(fields: Mapping[str, str], language: str) -> SignupForm:
    """Return the form of the sent fields; versions count only if the box was checked."""
    has_accepted = fields.get("accepted") == "yes"
    texts = {name: fields.get(name, "") for name in EMPTY_FIELDS}
    return SignupForm(
        company_name=texts["company_name"],
        contact_name=texts["contact_name"],
        email=texts["email"],
        password=texts["password"],
        credit_code=texts["credit_code"],
        plan=texts["plan"] or None,
        language=language,
        versions={kind: texts[f"{kind}_version"] for kind in KINDS if has_accepted},
    )


def parse_public_id(secret: str) -> UUID:
    """Parse the id in the address of a sign-up. Raises PageNotFound."""
    signup_id = ids.parse_id(SIGNUP_ID_PREFIX, secret)
    if signup_id is None:
        raise PageNotFound("Page not found.")
    return signup_id


def new_public_id() -> str:
    """Return the public id of a new sign-up."""
    return ids.format_id(SIGNUP_ID_PREFIX, ids.new_id())


def code_address(signup_id: UUID) -> str:
    """Return the address of a sign-up's code."""
    return f"{SIGN_UP_URL}/{ids.format_id(SIGNUP_ID_PREFIX, signup_id)}"


def device_cookie(page: PublicPageRequest, token: str) -> Cookie:
    """Return the cookie of the browser's token, sent to the pages of sign-up only."""
    return Cookie(
        key=DEVICE_COOKIE,
        value=token,
        max_age=int(COOKIE_LIFETIME.total_seconds()),
        path=SIGN_UP_URL,
        secure=page.secure,
        httponly=True,
        samesite="lax",
    )


async def render_form(
    page: PublicPageRequest,
    signups: SignupService,
    database: Database,
    form: FormState,
    status: int,
) -> Response[str]:
    """Render the form with the public plans and the versions of the texts."""
    policy = signups.policy
    if policy.texts is None:
        return render_disabled(page)
    async with database.transaction() as session:
        offers = await list_public_offers(session, policy.currency)
    return page.render(
        "sign_up.html",
        status=status,
        form=form,
        plans=[(offer.version.plan, offer.version.plan) for offer in offers],
        texts={kind: policy.texts.get(kind, page.language) for kind in KINDS},
        grant=policy.grant_minor(None),
        currency=policy.currency,
    )


async def render_code(
    page: PublicPageRequest,
    signups: SignupService,
    database: Database,
    signup_id: UUID | None,
    form: FormState,
    status: int,
) -> Response[str]:
    """Render the form for the code, or that the sign-up has ended."""
    if not signups.policy.enabled:
        return render_disabled(page)
    if signup_id is None:
        raise PageNotFound("Page not found.")
    try:
        async with database.transaction() as session:
            row = await signups.get(session, signup_id)
            delayed = await is_code_delayed(session, row)
    except SignupNotFound as error:
        return render_ended(page, error)
    if row.status != "unverified":
        return render_ended(page, SignupEnded())
    return page.render(
        "sign_up_code.html",
        status=status,
        form=form,
        email=row.email,
        address=code_address(signup_id),
        delayed=delayed,
        again=page.request.query_params.get("sent") == "again",
    )


def render_result(
    page: PublicPageRequest,
    signups: SignupService,
    clock: Clock,
    catalog: Catalog,
    result: SignupResult,
) -> Response[str]:
    """Render the new account with its key, or the reason why there is none yet."""
    row = result.row
    if result.key is None:
        return render_without_account(page, row)
    response = page.render(
        "sign_up_done.html",
        row=row,
        key=result.key,
        command=_first_call(page, catalog, result.key.secret),
        signed_in=result.session is not None,
        granted=signups.policy.grant_minor(row.plan) if row.grant_id is not None else 0,
        currency=signups.policy.currency,
    )
    if result.session is not None:
        seconds = int((result.session.expires_at - clock.now()).total_seconds())
        response.set_cookie(session_cookie(result.session.token, seconds, secure=page.secure))
    return response


def _first_call(page: PublicPageRequest, catalog: Catalog, secret: str) -> str:
    """Return the command of a first call, to a language model if there is one."""
    base = str(page.request.base_url).rstrip("/")
    models = catalog.with_task(Task.TEXT_GENERATION)
    if not models:
        return f'curl {base}/v1/models -H "Authorization: Bearer {secret}"'
    body = {
        "model": models[0].id,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 50,
    }
    return (
        f'curl {base}/v1/chat/completions -H "Authorization: Bearer {secret}" '
        f"-H 'Content-Type: application/json' -d '{msgspec.json.encode(body).decode()}'"
    )


def render_without_account(page: PublicPageRequest, row: Signup) -> Response[str]:
    """Render that a sign-up is reviewed, or why no account was opened."""
    return page.render("sign_up_review.html", row=row, address=code_address(row.id))


def render_ended(page: PublicPageRequest, error: Exception) -> Response[str]:
    """Render that the sign-up is complete or has expired."""
    status = getattr(error, "status", UNPROCESSABLE)
    is_complete = isinstance(error, SignupEnded | NotInReview)
    return page.render("sign_up_ended.html", status=status, complete=is_complete)


def render_disabled(page: PublicPageRequest) -> Response[str]:
    """Render that sign-up is not available."""
    return page.render("sign_up_off.html", status=SignupDisabled.status)
