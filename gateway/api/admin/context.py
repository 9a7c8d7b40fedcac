"""A request with an admin key: its caller, its body and how its change is applied."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.tables import Account
from gateway.access.admin_authentication import AdminAuthenticator, AdminCaller
from gateway.access.admin_keys import ADMIN_KEY_ID_PREFIX
from gateway.api.idempotency import IdempotencyKey
from gateway.asgi.log_context import bind_principal
from gateway.identity.audit_log import Actor
from gateway.identity.client_origin import ClientOrigin
from gateway.operations.admin_changes import AdminChange, run_admin_change
from gateway.operations.idempotent import IdempotentResult
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer
from infra.settings import Settings

REQUEST_STATE = "maas_admin_request"
# The attribute of a handler that names the scope that a platform key needs.
SCOPE_OPTION = "admin_scope"
_AUTHORIZATION = "authorization"
_Body = TypeVar("_Body", bound=msgspec.Struct)
_Value = TypeVar("_Value")
_Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """An authenticated request with an admin key.

    `operation` is its method and path, with which its Idempotency-Key is stored.
    """

    caller: AdminCaller
    database: Database
    clock: Clock
    settings: Settings
    pepper: bytes
    operation: str
    body: bytes
    idempotency_key: str | None = None

    @property
    def account_id(self) -> UUID:
        """The account of the key. Raises ValueError for a platform key."""
        if self.caller.account_id is None:
            raise ValueError("a platform key has no account")
        return self.caller.account_id

    @property
    def actor(self) -> Actor:
        """The actor of the request's changes."""
        return self.caller.actor

    def decode(self, decoder: msgspec.json.Decoder[_Body]) -> _Body:
        """Decode the body, `{}` if it is empty. Raises BodyNotJson, ParameterInvalid."""
        return decode_body_strict(decoder, self.body or b"{}")

    async def read(self, load: Callable[[AsyncSession], Awaitable[_Value]]) -> _Value:
        """Load something in one transaction."""
        async with self.database.transaction() as session:
            return await load(session)

    async def read_account(
        self, account: str, load: Callable[[AsyncSession, Account], Awaitable[_Value]]
    ) -> _Value:
        """Load something of an account, named by id or name. Raises AccountNotFound."""
        async with self.database.transaction() as session:
            return await load(session, await get_account(session, account))

    async def change(self, apply: Callable[[AsyncSession], Awaitable[_Json]]) -> Response[bytes]:
        """Apply a change in one transaction, once per Idempotency-Key, and return its response."""
        request = AdminChange(self.caller.key_id, self.operation, self.body, self.idempotency_key)
        async with self.database.transaction() as session:
            result = await run_admin_change(session, Sealer(self.pepper), request, apply)
        return _response(result)

    async def change_account(
        self, account: str, apply: Callable[[AsyncSession, Account], Awaitable[_Json]]
    ) -> Response[bytes]:
        """Apply a change of an account, named by id or name, as `change`."""
        return await self.change(partial(_apply_to_account, account, apply))


async def provide_admin(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    settings: NamedDependency[Settings],
    pepper: NamedDependency[bytes],
) -> AdminRequest:
    """Authenticate a request with a platform admin key that has the handler's scope.

    Raises the errors of `AdminAuthenticator.authenticate`, and AdminScopeMissing.
    """
    place = (database, clock, settings, pepper)
    admin = await authenticate(request, *place, platform=True)
    admin.caller.require_scope(request.route_handler.opt[SCOPE_OPTION])
    return admin


async def provide_admin_change(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    settings: NamedDependency[Settings],
    pepper: NamedDependency[bytes],
    idempotency_key: IdempotencyKey = None,
) -> AdminRequest:
    """Authenticate as `provide_admin`, for a change, which may have an Idempotency-Key."""
    place = (database, clock, settings, pepper)
    admin = await authenticate(request, *place, platform=True, key=idempotency_key)
    admin.caller.require_scope(request.route_handler.opt[SCOPE_OPTION])
    return admin


async def provide_organization(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    settings: NamedDependency[Settings],
    pepper: NamedDependency[bytes],
    idempotency_key: IdempotencyKey = None,
) -> AdminRequest:
    """Authenticate a request with an admin key of an account.

    Raises the errors of `AdminAuthenticator.authenticate`.
    """
    place = (database, clock, settings, pepper)
    return await authenticate(request, *place, platform=False, key=idempotency_key)


async def authenticate(
    request: Request[Any, Any, Any],
    database: Database,
    clock: Clock,
    settings: Settings,
    pepper: bytes,
    *,
    platform: bool,
    key: str | None = None,
) -> AdminRequest:
    """Authenticate the request's key before its body is read."""
    limit = settings.admin_requests_per_minute
    authenticator = AdminAuthenticator(database, clock, pepper, limit)
    address = "" if request.client is None else request.client.host
    caller = await authenticator.authenticate(
        request.headers.get(_AUTHORIZATION),
        ClientOrigin.from_request(address, request.headers.get("user-agent")),
        request.scope["state"].get(REQUEST_STATE, ""),
        platform=platform,
    )
    bind_principal(request, key_id=ids.format_id(ADMIN_KEY_ID_PREFIX, caller.key_id))
    operation = f"{request.method} {request.url.path}"
    body = await request.body()
    return AdminRequest(caller, database, clock, settings, pepper, operation, body, key)


async def _apply_to_account(
    account: str,
    apply: Callable[[AsyncSession, Account], Awaitable[_Json]],
    session: AsyncSession,
) -> _Json:
    """Find the account and apply a change to it. Raises AccountNotFound."""
    return await apply(session, await get_account(session, account))


def _response(result: IdempotentResult) -> Response[bytes]:
    """Return the JSON response of a change, marked if it was replayed."""
    headers = {"idempotent-replayed": "true"} if result.is_replayed else {}
    return Response(result.response, media_type="application/json", headers=headers)
