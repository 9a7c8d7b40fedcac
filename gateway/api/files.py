"""`/v1/files`: files to learn and to answer from, as OpenAI's clients send them."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.exceptions import ClientException
from litestar.params import FromPath, FromQuery, QueryParameter

from gateway.api.pagination import mark_of, shown_page
from gateway.call.errors import BadRequest, ParameterInvalid
from gateway.call.values import Principal
from gateway.fine_tuning.offers import Offers
from gateway.registry import files
from gateway.wire.body import read_strictly
from infra.clock import Clock
from infra.database.database import Database


class CheckRequest(msgspec.Struct):
    """`POST /v1/files/{file}/check`: the model that is to be fine-tuned with the file."""

    model: str


BODIES = {"/v1/files/{file}/check": CheckRequest}
_CHECK = msgspec.json.Decoder(CheckRequest)
# The form around the file.
_FORM_BYTES = 64 << 10
_Limit = Annotated[int, QueryParameter(ge=1, le=10_000)]


class FileRoutes(Controller):
    """Files are of the account; a file of another account does not exist."""

    path = "/v1/files"

    @post(
        "/",
        status_code=200,
        request_max_body_size=files.MOST_BYTES + _FORM_BYTES,
        summary="Send a file: to learn from (`fine-tune`), or for vector stores (`user_data`)",
    )
    async def create(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        sent = await _sent(request)
        async with database.transaction() as session:
            row = await files.keep_file(session, clock, principal.account_id, *sent)
        return files.file_json(row)

    @get("/", summary="The account's files, the newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: _Limit = 100,
        after: FromQuery[str | None] = None,
        purpose: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        mark = mark_of(files.PREFIX, after)
        account_id = principal.account_id
        async with database.transaction() as session:
            rows = await files.list_files(session, account_id, limit + 1, mark, purpose)
        return shown_page(rows, limit, files.file_json)

    @get("/{file:str}", summary="One file, without its content")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        file: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            return files.file_json(await files.find_file(session, principal.account_id, file))

    @get("/{file:str}/content", summary="A file as it was sent")
    async def content(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        file: FromPath[str],
    ) -> Response[bytes]:
        file_id = files.parse_id(file)
        async with database.transaction() as session:
            content = await files.content_of(session, principal.account_id, file_id)
        return Response(content, media_type="application/octet-stream")

    @post(
        "/{file:str}/check",
        status_code=200,
        request_max_body_size=_FORM_BYTES,
        summary="Check a training file for a model: all its problems, before a job",
    )
    async def check(
        self,
        principal: NamedDependency[Principal],
        offers: NamedDependency[Offers],
        request: Request[Any, Any, Any],
        file: FromPath[str],
    ) -> dict[str, Any]:
        wanted = read_strictly(_CHECK, await request.body())
        return await offers.check(principal.account_id, wanted.model, file)

    @delete(
        "/{file:str}",
        status_code=200,
        summary="Erase a file, in vector stores too; what learned from it stays",
    )
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        file: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            await files.delete_file(session, principal.account_id, file)
        return {"id": file, "object": "file", "deleted": True}


async def _sent(request: Request[Any, Any, Any]) -> tuple[str, bytes, str]:
    """The form's file: its name, content and purpose. Raises BadRequest, ParameterInvalid."""
    if request.content_type[0] != "multipart/form-data":
        raise BadRequest("A file is sent as multipart/form-data.")
    try:
        form = await request.form()
    except (ClientException, ValueError) as error:
        if getattr(error, "status_code", 400) == 413:
            raise
        raise BadRequest("The form cannot be read.") from None
    purpose = form.get("purpose")
    if purpose not in files.PURPOSES:
        known = ", ".join(f"`{one}`" for one in files.PURPOSES)
        raise ParameterInvalid(f"`purpose` is one of {known}.", param="purpose")
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ParameterInvalid("The form has no `file`.", param="file")
    content = await file.read()
    if len(content) > files.MOST_BYTES:
        raise ParameterInvalid(f"A file has at most {files.MOST_BYTES >> 20} MiB.", param="file")
    return file.filename, content, purpose
