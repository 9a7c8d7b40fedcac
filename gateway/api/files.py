"""`/v1/files`: upload, list, check and delete files, as OpenAI's clients do."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.exceptions import ClientException
from litestar.params import FromPath, FromQuery, QueryParameter

from gateway.api.pagination import page_json, parse_cursor
from gateway.call.errors import BadRequest, ParameterInvalid
from gateway.call.values import Principal
from gateway.fine_tuning.offers import JobOffers
from gateway.registry import files
from gateway.wire.body import decode_body_strict
from gateway.wire.fine_tuning import parse_schema
from infra.clock import Clock
from infra.database.database import Database


class CheckRequest(msgspec.Struct):
    """`POST /v1/files/{file}/check`: the model to fine-tune with the file.

    `schema` states the columns of a table, as in a fine-tuning job.
    """

    model: str
    schema: dict[str, Any] | None = None


BODIES = {"/v1/files/{file}/check": CheckRequest}
_CHECK_DECODER = msgspec.json.Decoder(CheckRequest)
# The multipart form around the file.
_FORM_OVERHEAD_BYTES = 64 << 10
_Limit = Annotated[int, QueryParameter(ge=1, le=10_000)]


class FileRoutes(Controller):
    """The account's files; a file of another account is reported as not found."""

    path = "/v1/files"

    @post(
        "/",
        status_code=200,
        request_max_body_size=files.MAX_FILE_BYTES + _FORM_OVERHEAD_BYTES,
        summary="Upload a file for fine-tuning (`fine-tune`), evaluations (`evals`), batches "
        "(`batch`) or vector stores (`user_data`)",
    )
    async def create(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Store an uploaded file and return OpenAI's file object."""
        upload = await _read_upload(request)
        async with database.transaction() as session:
            row = await files.create_file(session, clock, principal.account_id, *upload)
        return files.file_json(row)

    @get("/", summary="List files, newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: _Limit = 100,
        after: FromQuery[str | None] = None,
        purpose: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's files, newest first, filtered by `purpose` if set."""
        cursor = parse_cursor(files.PREFIX, after)
        account_id = principal.account_id
        async with database.transaction() as session:
            rows = await files.list_files(session, account_id, limit + 1, cursor, purpose)
        return page_json(rows, limit, files.file_json)

    @get("/{file:str}", summary="Retrieve a file, without its content")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        file: FromPath[str],
    ) -> dict[str, Any]:
        """Return OpenAI's file object, without the file's content."""
        async with database.transaction() as session:
            return files.file_json(await files.find_file(session, principal.account_id, file))

    @get("/{file:str}/content", summary="Retrieve a file's content")
    async def content(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        file: FromPath[str],
    ) -> Response[bytes]:
        """Return the file's bytes."""
        file_id = files.parse_file_id(file)
        async with database.transaction() as session:
            content = await files.read_content(session, principal.account_id, file_id)
        return Response(content, media_type="application/octet-stream")

    @post(
        "/{file:str}/check",
        status_code=200,
        request_max_body_size=_FORM_OVERHEAD_BYTES,
        summary="Validate a training file for a model and list all problems",
    )
    async def check(
        self,
        principal: NamedDependency[Principal],
        offers: NamedDependency[JobOffers],
        request: Request[Any, Any, Any],
        file: FromPath[str],
    ) -> dict[str, Any]:
        """Validate a training file for a model and return all problems as JSON."""
        check_request = decode_body_strict(_CHECK_DECODER, await request.body())
        schema = parse_schema(check_request.schema)
        return await offers.render_file_check(
            principal.account_id, check_request.model, file, schema
        )

    @delete(
        "/{file:str}",
        status_code=200,
        summary="Delete a file and remove it from vector stores; models trained on it are kept",
    )
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        file: FromPath[str],
    ) -> dict[str, Any]:
        """Delete a file, also from vector stores."""
        async with database.transaction() as session:
            await files.delete_file(session, principal.account_id, file)
        return {"id": file, "object": "file", "deleted": True}


async def _read_upload(request: Request[Any, Any, Any]) -> tuple[str, bytes, str]:
    """Return the uploaded file's name, content and purpose. Raises BadRequest, ParameterInvalid."""
    if request.content_type[0] != "multipart/form-data":
        raise BadRequest("Send the file as multipart/form-data.")
    try:
        form = await request.form()
    except (ClientException, ValueError) as error:
        if getattr(error, "status_code", 400) == 413:
            raise
        raise BadRequest("The multipart form is not valid.") from None
    purpose = form.get("purpose")
    if purpose not in files.PURPOSES:
        purposes = ", ".join(f"`{name}`" for name in files.PURPOSES)
        raise ParameterInvalid(f"`purpose` must be one of {purposes}.", param="purpose")
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ParameterInvalid("The form field `file` is missing.", param="file")
    content = await file.read()
    if len(content) > files.MAX_FILE_BYTES:
        raise ParameterInvalid(
            f"The file is too large: the maximum is {files.MAX_FILE_BYTES >> 20} MiB.", param="file"
        )
    return file.filename, content, purpose
