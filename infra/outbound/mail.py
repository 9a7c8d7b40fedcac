"""Send e-mails by SMTP, or write them to a folder if no server is configured.

The Message-ID is derived from the message's idempotency key, so that mail systems can detect
duplicates.
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
    """The mail server did not accept the message; a retry may succeed."""


class MailRefused(Exception):
    """The mail server rejected the message permanently."""


def is_email_address(text: str) -> bool:
    """Return whether a text has the form of an e-mail address."""
    return _ADDRESS.fullmatch(text) is not None


def build_message(sender: str, recipient: str, subject: str, text: str, key: str) -> EmailMessage:
    """Build a plain-text e-mail; `key` gives its Message-ID. Raises ValueError for a bad header."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, recipient, subject
    mail["Date"], mail["Message-ID"] = formatdate(), f"<{key}@maas>"
    mail.set_content(text)
    return mail


class Mailer:
    """An e-mail sender for `smtp://user:password@host:port` or `smtps://…`.

    Without a URL it writes files into `folder`.
    """

    def __init__(self, url: str | None, folder: Path) -> None:
        self._url = url
        self._folder = folder

    async def send(self, mail: EmailMessage) -> None:
        """Send an e-mail. Raises MailNotSent, MailRefused."""
        if self._url is None:
            await asyncio.to_thread(self._write_file, mail)
        else:
            await self._send_smtp(mail, self._url)

    def _write_file(self, mail: EmailMessage) -> None:
        """Write a message to a file named by its Message-ID, so a repetition overwrites it."""
        name = "".join(letter if letter.isalnum() else "-" for letter in mail["Message-ID"])
        try:
            private_folder(self._folder)
            unfinished = self._folder / f".{name}"
            write_private(unfinished, bytes(mail))
            unfinished.replace(self._folder / f"{name.strip('-')}.eml")
        except OSError as error:
            raise MailNotSent(error.strerror or "the folder cannot be written") from error

    async def _send_smtp(self, mail: EmailMessage, url: str) -> None:
        """Send an e-mail to the SMTP server of `url`. Raises MailNotSent, MailRefused."""
        server = urlsplit(url)
        tls = server.scheme == "smtps"
        try:
            await aiosmtplib.send(
                mail,
                hostname=server.hostname,
                port=server.port or (465 if tls else 587),
                username=unquote(server.username) if server.username else None,
                password=unquote(server.password) if server.password else None,
                use_tls=tls,
                tls_context=ssl.create_default_context(),
                timeout=_TIMEOUT_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            answer = error.recipients[0]
            raise _smtp_error(answer.code, answer.message) from error
        except aiosmtplib.SMTPDataError as error:
            raise _smtp_error(error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailNotSent(str(error)) from error


def _smtp_error(code: int, text: str) -> MailNotSent | MailRefused:
    """Return MailRefused (permanent) for codes from 550 on, else MailNotSent.

    Lower codes may pass: server busy, greylisting, or a configuration error that an operator fixes.
    """
    return (MailRefused if code >= 550 else MailNotSent)(f"{code} {text}")
