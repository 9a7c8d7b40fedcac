"""Sign-up in three steps: the form, the code of the e-mail, and the account with its first key."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.companies import CompanyInvalid
from billing.subscriptions.plans import PlanNotFound
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PublicPageRequest, client_origin
from gateway.dashboard.pages.sign_up.rendering import (
    DEVICE_COOKIE,
    EMPTY_FIELDS,
    code_address,
    device_cookie,
    new_public_id,
    parse_public_id,
    read_form,
    render_code,
    render_disabled,
    render_ended,
    render_form,
    render_result,
    render_without_account,
)
from gateway.identity.email_address import EmailInvalid
from gateway.identity.passwords import PasswordInvalid, SignInBusy
from gateway.identity.profile import PersonInvalid
from gateway.identity.throttling.lockout import LockedOut
from gateway.signups.devices import generate_device_token, read_device_token
from gateway.signups.errors import (
    EmailNotAccepted,
    NotInReview,
    SignupCodeExpired,
    SignupCodeWrong,
    SignupDisabled,
    SignupEnded,
    SignupNotFound,
    SignupsBusy,
    TooManyCodes,
)
from gateway.signups.opening import SIGNUP_ID_PREFIX
from gateway.signups.service import SignupService
from gateway.signups.texts import KINDS, TextsOutdated
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors
from models.catalog import Catalog

_FORM_ERRORS = (
    CompanyInvalid,
    EmailInvalid,
    EmailNotAccepted,
    LockedOut,
    PasswordInvalid,
    PersonInvalid,
    PlanNotFound,
    SeveralErrors,
    SignInBusy,
    SignupsBusy,
    TextsOutdated,
)
_CODE_ERRORS = (SignupCodeWrong, SignupCodeExpired, LockedOut)


class SignUpPages(Controller):
    """Handlers of `/dashboard/sign-up`, which need no session."""

    path = "/sign-up"

    @get("/", name="dashboard:sign-up")
    async def show_form(
        self,
        public_page: NamedDependency[PublicPageRequest],
        signups: NamedDependency[SignupService],
        database: NamedDependency[Database],
        pepper: NamedDependency[bytes],
    ) -> Response[str]:
        """Show the form; its id makes sending it twice one sign-up."""
        plan = public_page.request.query_params.get("plan", "")[:100]
        form = FormState(
            {"id": new_public_id(), "plan": plan or (signups.policy.default_plan or "")}
        )
        response = await render_form(public_page, signups, database, form, 200)
        if read_device_token(pepper, public_page.request.cookies.get(DEVICE_COOKIE)) is None:
            response.set_cookie(device_cookie(public_page, generate_device_token(pepper)))
        return response

    @post("/")
    async def send_form(
        self,
        public_page: NamedDependency[PublicPageRequest],
        signups: NamedDependency[SignupService],
        database: NamedDependency[Database],
        pepper: NamedDependency[bytes],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Start a sign-up and go on to its code."""
        fields = {"id": "", **await read_form_fields(request)}
        signup_id = ids.parse_id(SIGNUP_ID_PREFIX, fields["id"]) or ids.new_id()
        device = read_device_token(pepper, request.cookies.get(DEVICE_COOKIE))
        form = read_form(fields, public_page.language)
        try:
            await signups.start(form, client_origin(request), signup_id, device)
        except SignupDisabled:
            return render_disabled(public_page)
        except _FORM_ERRORS as error:
            shown = with_errors(public_page, {**EMPTY_FIELDS, **fields}, error)
            return await render_form(public_page, signups, database, shown, UNPROCESSABLE)
        return public_page.redirect(code_address(signup_id))

    @get("/texts/{name:str}")
    async def show_text(
        self,
        public_page: NamedDependency[PublicPageRequest],
        signups: NamedDependency[SignupService],
        name: FromPath[str],
    ) -> Response[str]:
        """Show the terms of use or the privacy policy."""
        if signups.policy.texts is None:
            return render_disabled(public_page)
        if name not in KINDS:
            raise PageNotFound("Page not found.")
        text = signups.policy.texts.get(name, public_page.language)
        return public_page.render("sign_up_text.html", text=text)

    @get("/{secret:str}")
    async def show_code(
        self,
        public_page: NamedDependency[PublicPageRequest],
        signups: NamedDependency[SignupService],
        database: NamedDependency[Database],
        secret: FromPath[str],
    ) -> Response[str]:
        """Show the form for the code."""
        signup_id = ids.parse_id(SIGNUP_ID_PREFIX, secret)
        return await render_code(public_page, signups, database, signup_id, EMPTY_FORM, 200)

    @post("/{secret:str}")
    async def enter_code(
        self,
        public_page: NamedDependency[PublicPageRequest],
        signups: NamedDependency[SignupService],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        secret: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """Enter the code: show the new account with its key, or why there is none yet."""
        fields = {"code": "", **await read_form_fields(request)}
        signup_id = parse_public_id(secret)
        try:
            result = await signups.enter_code(signup_id, fields["code"], client_origin(request))
        except SignupDisabled:
            return render_disabled(public_page)
        except _CODE_ERRORS as error:
            form = with_errors(public_page, fields, error)
            return await render_code(public_page, signups, database, signup_id, form, UNPROCESSABLE)
        except (SignupEnded, SignupNotFound) as error:
            return render_ended(public_page, error)
        return render_result(public_page, signups, clock, catalog, result)

    @post("/{secret:str}/code")
    async def send_another_code(
        self,
        public_page: NamedDependency[PublicPageRequest],
        signups: NamedDependency[SignupService],
        database: NamedDependency[Database],
        secret: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Send another code."""
        signup_id = parse_public_id(secret)
        try:
            await signups.send_another_code(signup_id, client_origin(request))
        except SignupDisabled:
            return render_disabled(public_page)
        except (TooManyCodes, LockedOut) as error:
            form = with_errors(public_page, {}, error)
            return await render_code(public_page, signups, database, signup_id, form, UNPROCESSABLE)
        except (SignupEnded, SignupNotFound) as error:
            return render_ended(public_page, error)
        return public_page.redirect(f"{code_address(signup_id)}?sent=again")

    @post("/{secret:str}/review")
    async def ask_for_review(
        self,
        public_page: NamedDependency[PublicPageRequest],
        signups: NamedDependency[SignupService],
        secret: FromPath[str],
    ) -> Response[str]:
        """Ask for a review where the company has an account."""
        try:
            row = await signups.appeal(parse_public_id(secret))
        except SignupDisabled:
            return render_disabled(public_page)
        except (NotInReview, SignupNotFound) as error:
            return render_ended(public_page, error)
        return render_without_account(public_page, row)
