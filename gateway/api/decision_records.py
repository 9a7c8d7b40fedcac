"""`/v1/decision_records`: signed records of what specialists decided for chats."""

from typing import Any

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing.outcomes.evidence.decision_records import PURPOSE
from billing.tables import DecisionRecord
from gateway.access.project_scope import only_project
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.collaboration.decisions import RECORD_PREFIX
from gateway.registry.decision_records import find_record, list_records, record_json
from infra.database.database import Database
from infra.secrets.signing_key import SigningKey


class DecisionRecordRoutes(Controller):
    """The account's decision records; one of another account is reported as not found."""

    path = "/v1/decision_records"

    @get("/", summary="Decision records, the newest first")
    async def records(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        pepper: NamedDependency[bytes],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's records, with a key of a project only those of its calls.

        Raises ParameterInvalid.
        """
        key, cursor = SigningKey(pepper, PURPOSE), parse_cursor(RECORD_PREFIX, after)
        async with database.transaction() as session:
            rows = await list_records(
                session,
                principal.account_id,
                limit + 1,
                cursor,
                project_id=only_project(principal),
            )

        def render(record: DecisionRecord) -> dict[str, Any]:
            """Return one record of the page."""
            return record_json(record, key)

        return page_json(rows, limit, render)

    @get("/{record_id:str}", summary="One decision record with its signature")
    async def record(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        pepper: NamedDependency[bytes],
        record_id: FromPath[str],
    ) -> dict[str, Any]:
        """Return a record: the signed text, the signature and the public key that verifies it.

        Raises DecisionRecordNotFound.
        """
        async with database.transaction() as session:
            place = (session, principal.account_id)
            record = await find_record(*place, record_id, only_project(principal))
        return record_json(record, SigningKey(pepper, PURPOSE))
