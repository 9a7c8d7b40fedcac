"""Files of multipart forms, bounded while they arrive and kept on disk if they are large."""

from typing import Any

from litestar import Request
from litestar.datastructures import FormMultiDict, UploadFile
from litestar.exceptions import ClientException
from litestar.types import HTTPReceiveMessage, Receive

from gateway.call.errors import BadRequest, BodyTooLarge, ParameterInvalid
from gateway.plant.imports.exchange_formats import PlantFile
from gateway.plant.imports.exchange_process import StoredFile, opened_file

# The multipart form around the file.
_FORM_OVERHEAD_BYTES = 64 << 10


class BoundedReceive:
    """The messages of a request with a form, of which a file has at most `most` bytes."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._most = most
        self.left = most + _FORM_OVERHEAD_BYTES

    async def __call__(self) -> HTTPReceiveMessage:
        """Return the next message. Raises BodyTooLarge."""
        message: Any = await self._receive()
        self.left -= len(message.get("body", b""))
        if self.left < 0:
            raise _too_large(self._most)
        return message  # type: ignore[no-any-return]


async def read_file_form(request: Request[Any, Any, Any], most: int) -> FormMultiDict:
    """Return a multipart form, whose files of a megabyte and more are written to disk.

    Raises BadRequest, and BodyTooLarge as soon as a file of more than `most` bytes is certain.
    """
    if request.content_type[0] != "multipart/form-data":
        raise BadRequest("Send the file as multipart/form-data.")
    bounded = BoundedReceive(request.receive, most)
    if int(request.headers.get("content-length", "0") or 0) > bounded.left:
        raise _too_large(most)
    request.receive = bounded
    try:
        return await request.form()
    except (ClientException, ValueError) as error:
        if getattr(error, "status_code", 400) == 413:
            raise
        raise BadRequest("The multipart form is not valid.") from None


def read_file(form: FormMultiDict) -> PlantFile | StoredFile:
    """Return the form's field `file`; a large one stays on disk. Raises ParameterInvalid."""
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ParameterInvalid("The form field `file` is missing.", param="file")
    return opened_file(file.filename or "", file.file, on_disk=file.rolled_to_disk)


def _too_large(most: int) -> BodyTooLarge:
    """Return the error of a file that is too large."""
    message = f"The file is too large: the maximum is {most} bytes."
    return BodyTooLarge(message, param="file")
