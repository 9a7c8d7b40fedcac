"""`/v1/signups`: open an account with a verified e-mail address, without an API key."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from gateway.access import api_keys
from gateway.identity.client_origin import ClientOrigin
from gateway.signups.errors import SignupDisabled, SignupNotFound
from gateway.signups.form import SignupForm
from gateway.signups.opening import SIGNUP_ID_PREFIX
from gateway.signups.service import SignupResult, SignupService
from gateway.signups.texts import KINDS, LANGUAGES
from gateway.wire.body import decode_body_strict
from infra import ids


class SignupRequest(msgspec.Struct):
    """A company that signs up. The versions are those of `/v1/signups/texts`.

    `credit_code` is the unified social credit code of a Chinese company. `plan` is a public plan,
    `language` is `en` or `zh`.
    """

    company_name: str
    contact_name: str
    email: str
    password: str
    terms_version: str
    privacy_version: str
    credit_code: str = ""
    plan: str | None = None
    language: str = "zh"


class CodeRequest(msgspec.Struct):
    """The code that was sent by e-mail: six digits."""

    code: str


_FORM, _CODE = msgspec.json.Decoder(SignupRequest), msgspec.json.Decoder(CodeRequest)
_PATH = "/v1/signups"
_ID_PATH = f"{_PATH}/{{signup_id}}"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _PATH: SignupRequest,
    f"{_ID_PATH}/verify": CodeRequest,
}
_MAX_BODY_BYTES = 16 << 10


class SignupRoutes(Controller):
    """Sign-ups: the form, its code, and the account with its first API key."""

    path = _PATH

    @get("/texts", summary="Retrieve the terms of use and the privacy policy to accept")
    async def signup_texts(
        self, signups: NamedDependency[SignupService], language: FromQuery[str] = "en"
    ) -> dict[str, Any]:
        """Return the current texts of a language with their versions."""
        texts = signups.policy.texts
        if texts is None:
            raise SignupDisabled
        wanted = language if language in LANGUAGES else LANGUAGES[0]
        found = [texts.get(kind, wanted) for kind in KINDS]
        return {
            "object": "list",
            "data": [
                {
                    "kind": text.kind,
                    "language": text.language,
                    "version": text.version,
                    "sha256": text.digest,
                    "text": text.text,
                }
                for text in found
            ],
        }

    @post(
        "/",
        status_code=202,
        summary="Sign up: a code is sent by e-mail",
        request_max_body_size=_MAX_BODY_BYTES,
    )
    async def create_signup(
        self, signups: NamedDependency[SignupService], request: Request[Any, Any, Any]
    ) -> dict[str, Any]:
        """Start a sign-up. The answer does not depend on whether the address is registered."""
        wanted = decode_body_strict(_FORM, await request.body())
        form = SignupForm(
            company_name=wanted.company_name,
            contact_name=wanted.contact_name,
            email=wanted.email,
            password=wanted.password,
            credit_code=wanted.credit_code,
            plan=wanted.plan,
            language=wanted.language,
            versions={"terms": wanted.terms_version, "privacy": wanted.privacy_version},
        )
        signup_id = ids.new_id()
        expires_at = await signups.start(form, _origin(request), signup_id)
        return _sent_json(signup_id.hex, expires_at.isoformat())

    @post(
        "/{signup_id:str}/code",
        status_code=202,
        summary="Send another code, which replaces the previous one",
    )
    async def resend_signup_code(
        self,
        signups: NamedDependency[SignupService],
        request: Request[Any, Any, Any],
        signup_id: FromPath[str],
    ) -> dict[str, Any]:
        """Send another code."""
        identity = parse_signup_id(signup_id)
        expires_at = await signups.send_another_code(identity, _origin(request))
        return _sent_json(identity.hex, expires_at.isoformat())

    @post(
        "/{signup_id:str}/verify",
        status_code=200,
        summary="Enter the code: opens the account and returns its first API key",
        request_max_body_size=_MAX_BODY_BYTES,
    )
    async def verify_signup(
        self,
        signups: NamedDependency[SignupService],
        request: Request[Any, Any, Any],
        signup_id: FromPath[str],
    ) -> dict[str, Any]:
        """Enter the code. The secret of the key is shown in this response only."""
        identity = parse_signup_id(signup_id)
        wanted = decode_body_strict(_CODE, await request.body())
        result = await signups.enter_code(identity, wanted.code, _origin(request))
        return result_json(result)

    @post(
        "/{signup_id:str}/review",
        status_code=200,
        summary="Ask for a review where the company has an account already",
    )
    async def review_signup(
        self, signups: NamedDependency[SignupService], signup_id: FromPath[str]
    ) -> dict[str, Any]:
        """Ask an operator to review the sign-up."""
        return result_json(SignupResult(await signups.appeal(parse_signup_id(signup_id))))


def parse_signup_id(text: str) -> UUID:
    """Parse the id of a sign-up. Raises SignupNotFound."""
    identity = ids.parse_id(SIGNUP_ID_PREFIX, text)
    if identity is None:
        raise SignupNotFound
    return identity


def result_json(result: SignupResult) -> dict[str, Any]:
    """Return the result of a sign-up."""
    row, account, key = result.row, result.account, result.key
    return {
        "id": ids.format_id(SIGNUP_ID_PREFIX, row.id),
        "object": "signup",
        "status": row.status,
        "outcome": row.outcome,
        "reasons": row.reasons,
        "account": account and ids.format_id(ACCOUNT_ID_PREFIX, account.id),
        "granted": row.grant_id is not None,
        "api_key": key
        and {
            "id": ids.format_id(api_keys.PREFIX, key.row.id),
            "name": key.row.name,
            "secret": key.secret,
        },
    }


def _sent_json(digits: str, expires_at: str) -> dict[str, Any]:
    """Return a sign-up whose code was sent."""
    return {
        "id": f"{SIGNUP_ID_PREFIX}_{digits}",
        "object": "signup",
        "status": "unverified",
        "code_expires_at": expires_at,
    }


def _origin(request: Request[Any, Any, Any]) -> ClientOrigin:
    """Return the client's address and user agent."""
    client = request.client
    agent = request.headers.get("user-agent")
    return ClientOrigin.from_request(client.host if client else None, agent)
