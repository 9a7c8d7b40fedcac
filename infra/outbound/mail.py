"""E-mail: sent by SMTP, or written into a folder where no server is configured.

What a message says is made elsewhere. A message has its business key as its Message-ID, so that a
mail system that sees it twice can tell.
"""

import asyncio
import re
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib

from infra.private_files import private_folder, write_private

_TIMEOUT_S = 20.0
_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")


class MailNotSent(Exception):
    """The mail server did not take the message; it may later."""


class MailRefused(Exception):
    """The mail server will not take this message, now or later."""


def is_address(text: str) -> bool:
    """Whether it has the form of an address; whether there is such a mailbox, mail tells."""
    return _ADDRESS.fullmatch(text) is not None


def message(sender: str, recipient: str, subject: str, text: str, key: str) -> EmailMessage:
    """A plain message in UTF-8. Raises ValueError for a header that would be two."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, recipient, subject
    made["Date"], made["Message-ID"] = formatdate(), f"<{key}@maas>"
    made.set_content(text)
    return made


class Mailer:
    """Sends by `smtp://user:password@host:port` or `smtps://…`; None writes files into `folder`."""

    def __init__(self, url: str | None, folder: Path) -> None:
        self._url = url
        self._folder = folder

    async def send(self, mail: EmailMessage) -> None:
        """Raises MailNotSent, MailRefused."""
        if self._url is None:
            await asyncio.to_thread(self._write, mail)
        else:
            await self._submit(mail, self._url)

    def _write(self, mail: EmailMessage) -> None:
        """One file a message, under its own name: written again it is the same file."""
        name = "".join(letter if letter.isalnum() else "-" for letter in mail["Message-ID"])
        try:
            private_folder(self._folder)
            unfinished = self._folder / f".{name}"
            write_private(unfinished, bytes(mail))
            unfinished.replace(self._folder / f"{name.strip('-')}.eml")
        except OSError as error:
            raise MailNotSent(error.strerror or "the folder cannot be written") from error

    async def _submit(self, mail: EmailMessage, url: str) -> None:
        place = urlsplit(url)
        tls = place.scheme == "smtps"
        try:
            await aiosmtplib.send(
                mail,
                hostname=place.hostname,
                port=place.port or (465 if tls else 587),
                username=unquote(place.username) if place.username else None,
                password=unquote(place.password) if place.password else None,
                use_tls=tls,
                tls_context=ssl.create_default_context(),
                timeout=_TIMEOUT_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            answer = error.recipients[0]
            raise _refusal(answer.code, answer.message) from error
        except aiosmtplib.SMTPDataError as error:
            raise _refusal(error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailNotSent(str(error)) from error


def _refusal(code: int, text: str) -> MailNotSent | MailRefused:
    """From 550 on it is this message; below, the server is busy, does not know us yet, or wants
    something that an operator has to set right, as a password."""
    return (MailRefused if code >= 550 else MailNotSent)(f"{code} {text}")
