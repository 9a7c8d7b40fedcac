"""E-mail: into files, and by SMTP to a server on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from infra.outbound.mail import Mailer, MailNotSent, MailRefused, build_message
from tests.support.fakes.smtp import FakeSmtp, run_fake_smtp

SENDER, RECIPIENT = "bill@maas.example", "pay@acme.example"


def mail(key: str = "key-1", text: str = "您好,\n\n30.00 CNY\n") -> EmailMessage:
    return build_message(SENDER, RECIPIENT, "付款提醒:账单 MAAS-000001", text, key)


def files_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*") if file.is_file())


def read(raw: bytes) -> EmailMessage:
    made = message_from_bytes(raw, policy=policy.default)
    assert isinstance(made, EmailMessage)
    return made


@pytest.fixture
async def server() -> AsyncIterator[FakeSmtp]:
    async with run_fake_smtp() as running:
        yield running


class TestBuildMessage:
    def test_message_id_contains_the_key(self) -> None:
        assert mail("a1b2")["Message-ID"] == "<a1b2@maas>"

    @pytest.mark.parametrize(
        ("recipient", "subject"), [("a@b.c\nBcc: d@e.f", "s"), ("a@b.c", "s\r\nBcc: d@e.f")]
    )
    def test_linefeed_in_a_header_is_rejected(self, recipient: str, subject: str) -> None:
        with pytest.raises(ValueError, match="linefeed"):
            build_message(SENDER, recipient, subject, "text", "key")


class TestMailToFiles:
    async def test_each_message_key_has_one_file(self, tmp_path: Path) -> None:
        mailer = Mailer(None, tmp_path / "mail")
        for key in ("one", "two", "one"):
            await mailer.send(mail(key))
        assert files_in(tmp_path) == ["one-maas.eml", "two-maas.eml"]
        kept = read((tmp_path / "mail" / "one-maas.eml").read_bytes())
        assert (kept["To"], kept["Subject"]) == (RECIPIENT, "付款提醒:账单 MAAS-000001")
        assert kept.get_content() == "您好,\n\n30.00 CNY\n"

    async def test_path_separators_in_a_key_are_removed_from_the_file_name(
        self, tmp_path: Path
    ) -> None:
        await Mailer(None, tmp_path / "mail").send(mail("../../etc/passwd"))
        assert files_in(tmp_path) == ["etc-passwd-maas.eml"]

    async def test_unwritable_folder_raises_mail_not_sent(self, tmp_path: Path) -> None:
        (tmp_path / "mail").write_text("a file")
        with pytest.raises(MailNotSent, match="File exists"):
            await Mailer(None, tmp_path / "mail").send(mail())


@pytest.mark.usefixtures("network")
class TestMailBySmtp:
    async def test_message_is_delivered_to_the_server(
        self, server: FakeSmtp, tmp_path: Path
    ) -> None:
        await Mailer(server.url, tmp_path).send(mail())
        (taken,) = server.taken
        assert (taken.sender, taken.recipients) == (SENDER, [RECIPIENT])
        kept = read(taken.body)
        assert (kept["Message-ID"], kept["Subject"]) == (
            "<key-1@maas>",
            "付款提醒:账单 MAAS-000001",
        )
        assert kept.get_content().splitlines() == ["您好,", "", "30.00 CNY"]
        assert files_in(tmp_path) == []

    async def test_server_with_a_password_accepts_only_the_right_credentials(
        self, server: FakeSmtp, tmp_path: Path
    ) -> None:
        server.password = "p@ss/word"
        place = server.url.removeprefix("smtp://")
        with pytest.raises(MailNotSent):
            await Mailer(server.url, tmp_path).send(mail())
        with pytest.raises(MailNotSent, match="535"):
            await Mailer(f"smtp://maas:wrong@{place}", tmp_path).send(mail())
        await Mailer(f"smtp://maas:p%40ss%2Fword@{place}", tmp_path).send(mail())
        assert len(server.taken) == 1

    async def test_smtps_to_a_server_without_tls_sends_no_message(
        self, server: FakeSmtp, tmp_path: Path
    ) -> None:
        """No message or password is sent without encryption."""
        url = server.url.replace("smtp://", "smtps://maas:secret@")
        with pytest.raises(MailNotSent):
            await Mailer(url, tmp_path).send(mail())
        assert server.taken == []

    @pytest.mark.parametrize("answer", ["450 4.2.0 greylisted, come again", "451 busy"])
    async def test_temporary_error_raises_mail_not_sent_and_a_retry_succeeds(
        self, server: FakeSmtp, tmp_path: Path, answer: str
    ) -> None:
        for step in ("RCPT", "DATA"):
            server.answers = {step: answer}
            with pytest.raises(MailNotSent, match=answer[:3]):
                await Mailer(server.url, tmp_path).send(mail())
        server.answers = {}
        await Mailer(server.url, tmp_path).send(mail())
        assert len(server.taken) == 1

    @pytest.mark.parametrize("step", ["RCPT", "DATA"])
    async def test_permanent_error_raises_mail_refused(
        self, server: FakeSmtp, tmp_path: Path, step: str
    ) -> None:
        server.answers = {step: "550 5.1.1 no such mailbox"}
        with pytest.raises(MailRefused, match=r"550 5\.1\.1 no such mailbox"):
            await Mailer(server.url, tmp_path).send(mail())

    async def test_closed_port_raises_mail_not_sent(self, tmp_path: Path) -> None:
        with pytest.raises(MailNotSent):
            await Mailer("smtp://127.0.0.1:1", tmp_path).send(mail())

    async def test_connection_closed_by_the_server_raises_mail_not_sent(
        self, tmp_path: Path
    ) -> None:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        listener = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(MailNotSent):
            await Mailer(f"smtp://127.0.0.1:{port}", tmp_path).send(mail())
        listener.close()
        await listener.wait_closed()
