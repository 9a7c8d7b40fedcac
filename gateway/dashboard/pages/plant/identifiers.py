"""The pages of identifiers: prefixes, registration, the list, a record with versions, labels."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.dashboard.forms import (
    FormState,
    read_form_fields,
    read_upload,
    restored_form,
    with_errors,
)
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.identifiers import IdentifierService, record_json
from gateway.plant.identifiers.codes import parse_identifier
from gateway.plant.identifiers.csv_lines import lines_of_csv
from gateway.plant.identifiers.errors import (
    IdentifierInvalid,
    PrefixNotOwned,
    RecordConflict,
    RecordFileInvalid,
    RecordInvalid,
)
from gateway.plant.identifiers.registration import LineResult
from infra.database.database import Database

IDENTIFIERS_PAGE = "/dashboard/identifiers"
_PER_PAGE = 50
_MAX_LABELS = 1_000
_MAX_SHOWN = 50
_MAX_FILE = 8 << 20
_FIELDS = ("id", "fields")
_LEVELS = {"": "public", "partner": "partner", "owner": "owner"}
_PRESERVED_FIELDS = PreservedFields(IDENTIFIERS_PAGE, _FIELDS)
_ERRORS = (IdentifierInvalid, PrefixNotOwned, RecordConflict, RecordFileInvalid, RecordInvalid)


class IdentifierPages(Controller):
    """Handlers of `/dashboard/identifiers`."""

    path = "/identifiers"

    @get("/", name="dashboard:identifiers")
    async def show(
        self,
        page: NamedDependency[PageRequest],
        identifiers: NamedDependency[IdentifierService],
        text: FromQuery[str] = "",
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the account's prefixes and records, and the form to register one."""
        return await _render(page, identifiers, restored_form(page), text, after)

    @post("/", permission=Permission.CALL, keeps=_PRESERVED_FIELDS)
    async def register(
        self,
        page: NamedDependency[PageRequest],
        identifiers: NamedDependency[IdentifierService],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Register a record, or the next version of one."""
        fields = {name: "" for name in _FIELDS} | await read_form_fields(request)
        try:
            line = {"id": fields["id"].strip(), "fields": _parse_fields(fields["fields"])}
            results = await identifiers.register(
                page.actor, page.account_id, msgspec.json.encode(line)
            )
            error = results[0].error if results else None
            if error is not None:
                raise error
        except _ERRORS as error:
            form = with_errors(page, fields, error)
            return await _render(page, identifiers, form)
        return page.redirect(f"{IDENTIFIERS_PAGE}?done=registered")

    @post("/upload", permission=Permission.CALL, request_max_body_size=_MAX_FILE)
    async def upload(
        self,
        page: NamedDependency[PageRequest],
        identifiers: NamedDependency[IdentifierService],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Register the rows of a CSV file and show what became of them."""
        await read_form_fields(request)
        file = await read_upload(request)
        try:
            lines = await asyncio.to_thread(lines_of_csv, b"" if file is None else file.content)
            results = await identifiers.register(page.actor, page.account_id, lines)
        except _ERRORS as error:
            state = with_errors(page, {}, error)
            return await _render(page, identifiers, state)
        return await _render(page, identifiers, restored_form(page), results=results)

    @get("/labels.pdf", name="dashboard:identifier-labels")
    async def download_labels(
        self,
        page: NamedDependency[PageRequest],
        identifiers: NamedDependency[IdentifierService],
        text: FromQuery[str] = "",
        after: FromQuery[str | None] = None,
        symbology: FromQuery[Literal["qr", "datamatrix"]] = "qr",
    ) -> Response[bytes]:
        """Return label sheets of the identifiers that contain a text, at most 1,000, as PDF."""
        rows = await identifiers.list_page(page.account_id, _MAX_LABELS, after, text[:100])
        records = [record_json(row) for row in rows]
        names = [one["id"] for one in records]
        texts = [_public_name(one)[:60] for one in records]
        content = await identifiers.labels(page.account_id, names, texts, symbology, 3, 8)
        headers = {"content-disposition": 'attachment; filename="labels.pdf"'}
        return Response(content, media_type="application/pdf", headers=headers)

    @get("/record", name="dashboard:identifier")
    async def show_record(
        self,
        page: NamedDependency[PageRequest],
        identifiers: NamedDependency[IdentifierService],
        database: NamedDependency[Database],
        id: FromQuery[str],
    ) -> Response[str]:
        """Show a record with its fields, versions and labels."""
        rows = await identifiers.versions(page.account_id, id)
        async with database.transaction() as session:
            profile = await get_profile(session, page.account_id)
        return page.render(
            "plant/identifier.html",
            record=record_json(rows[0]),
            versions=rows,
            zone=parse_time_zone(profile.time_zone),
        )

    @get("/label.pdf", name="dashboard:identifier-label")
    async def download_label(
        self,
        page: NamedDependency[PageRequest],
        identifiers: NamedDependency[IdentifierService],
        id: FromQuery[str],
        symbology: FromQuery[Literal["qr", "datamatrix"]] = "qr",
    ) -> Response[bytes]:
        """Return a sheet with one label as PDF."""
        name = parse_identifier(id).text
        text = (await _name_of(identifiers, page, name))[:60]
        content = await identifiers.labels(page.account_id, [name], [text], symbology, 3, 8)
        headers = {"content-disposition": 'attachment; filename="label.pdf"'}
        return Response(content, media_type="application/pdf", headers=headers)


async def _render(
    page: PageRequest,
    identifiers: IdentifierService,
    form: FormState,
    text: str = "",
    after: str | None = None,
    results: Sequence[LineResult] = (),
) -> Response[str]:
    """Render the list; with a form that has errors, the status is 422.

    `results` are those of an uploaded file.
    """
    account_id = page.account_id
    rows = await identifiers.list_page(account_id, _PER_PAGE + 1, after, text[:100])
    records = [record_json(row) for row in rows[:_PER_PAGE]]
    return page.render(
        "plant/identifiers.html",
        status=UNPROCESSABLE if form.error or form.errors else 200,
        prefixes=await identifiers.prefixes(account_id),
        records=records,
        text=text,
        more=records[-1]["id"] if len(rows) > _PER_PAGE else None,
        is_first=after is None,
        after=after,
        wrong_rows=[
            (one.number + 1, one.id, with_errors(page, {}, one.error).error)
            for one in results
            if one.error is not None
        ][:_MAX_SHOWN],
        has_results=bool(results),
        result_counts=Counter(one.status for one in results),
        done=page.request.query_params.get("done"),
        form=form,
        may=page.viewer.has_permission(Permission.CALL),
    )


async def _name_of(identifiers: IdentifierService, page: PageRequest, name: str) -> str:
    """Return the public field `name` of a record, empty if it has none."""
    rows = await identifiers.versions(page.account_id, name)
    return _public_name(record_json(rows[0]))


def _public_name(record: Mapping[str, Any]) -> str:
    """Return the public field `name` of a record, empty if it has none."""
    shown = record["fields"].get("name", {})
    return shown.get("value", "") if shown.get("access") == "public" else ""


def _parse_fields(text: str) -> Mapping[str, Mapping[str, str]]:
    """Parse lines `name: value`, or `name (partner): value`. Raises RecordInvalid."""
    fields: dict[str, Mapping[str, str]] = {}
    for line in filter(str.strip, text.replace("：", ":").splitlines()):
        head, colon, value = line.partition(":")
        name, _, level = head.replace("（", "(").replace("）", ")").strip().partition("(")
        access = _LEVELS.get(level.rstrip(") ").strip())
        if not colon or not name.strip() or access is None:
            raise RecordInvalid(
                "Write each field as `name: value` or `name (partner): value`.", param="fields"
            )
        fields[name.strip()] = {"value": value.strip(), "access": access}
    return fields
