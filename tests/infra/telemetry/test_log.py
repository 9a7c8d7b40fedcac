"""Logs: JSON lines without secrets or prompts."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.access.key_format import generate_api_key
from infra.telemetry.log import configure_logging, money_log, redact_secrets, write_money_log_to
from tests.support.money_lines import money_lines


class TestRedaction:
    def test_api_keys_are_redacted_in_texts_and_fields(self) -> None:
        secret = generate_api_key()
        event = {"event": f"bad key {secret}!", "authorization": f"Bearer {secret}", "n": 1}
        struck = redact_secrets(None, "info", event)
        assert secret not in repr(struck)
        assert struck["n"] == 1

    @pytest.mark.parametrize(
        ("text", "stays"),
        [
            ("whsec_" + "aB3/+=" * 6, "whsec_"),
            ("sk_live_51abcdefgh rk_test_12345678", "sk_live_"),
            ("GET /dashboard/reset/AbCd-efgh_1234", "/dashboard/reset/"),
            ("GET /dashboard/invitation/AbCd-efgh_1234?a=b", "?a=b"),
            ("cookie: maas_session=abc.def; theme=dark", "; theme=dark"),
            ("__Host-maas=abc.def", "__Host-maas="),
            ("otpauth://totp/maas:li?secret=JBSWY3DP", "otpauth://"),
            ("postgresql://maas:hunter22@db:5432/maas", "@db:5432/maas"),
            ("smtps://user:pa55word@mail.example", "smtps://user:"),
            ("Authorization: Bearer abcdefghijkl", "Bearer "),
            ("Incorrect API key: sk-proj-0123456789abcdef", "sk-"),
        ],
    )
    def test_other_secrets_are_redacted_at_any_depth(self, text: str, stays: str) -> None:
        deep = {"event": text, "more": {"list": [text, ("a", text)]}, "error": ValueError(text)}
        struck = repr(redact_secrets(None, "info", deep))
        assert stays in struck
        for secret in ("aB3/", "51abcdefgh", "12345678", "AbCd", "abc.def", "JBSW", "hunter22",
                       "pa55word", "abcdefghijkl", "proj-0123"):  # fmt: skip
            assert secret not in struck

    def test_text_that_resembles_a_secret_is_kept(self) -> None:
        said = "GET /v1/models of maas on http://127.0.0.1:8080/v1, bearing 12:30@noon, maas_calls"
        assert redact_secrets(None, "info", {"event": said})["event"] == said

    @pytest.mark.parametrize("field", ["prompt", "messages", "body", "password"])
    def test_prompt_and_password_fields_are_redacted(self, field: str) -> None:
        assert redact_secrets(None, "info", {field: "private"})[field] == "[struck out]"


def written(capsys: pytest.CaptureFixture[str], log: Callable[[], object]) -> list[dict[str, Any]]:
    """The lines logged by the function, with logging configured as in a real process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("info")
    try:
        log()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


class TestLogFormat:
    def test_own_and_library_lines_are_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        def log() -> None:
            structlog.get_logger().info("ours", count=2)
            logging.getLogger("uvicorn").warning("theirs %s", generate_api_key())

        ours, theirs = written(capsys, log)
        assert (ours["event"], ours["count"], ours["level"]) == ("ours", 2, "info")
        assert theirs["event"] == "theirs maas_[struck out]"


class TestLibraryLogLevels:
    @pytest.mark.parametrize("name", ["httpx", "httpcore.http11", "stripe", "procrastinate.worker"])
    def test_library_info_lines_are_dropped_and_warnings_kept(
        self, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        log = logging.getLogger(name)
        assert written(capsys, lambda: log.info("POST https://api.stripe.com/v1/customers")) == []
        (line,) = written(capsys, lambda: log.warning("it is slow"))
        assert (line["event"], line["level"]) == ("it is slow", "warning")

    def test_uvicorn_info_lines_are_logged(self, capsys: pytest.CaptureFixture[str]) -> None:
        (line,) = written(capsys, lambda: logging.getLogger("uvicorn").info("it listens"))
        assert line["event"] == "it listens"


def test_money_event_is_logged_to_stderr_when_its_file_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logger, folder = logging.getLogger("maas.money"), tmp_path / "logs"
    before = logger.handlers, logger.propagate
    try:
        write_money_log_to(folder / "money.log")
        folder.rmdir()
        with money_lines() as lines:
            money_log().info("ledger.invoice", minor=100)
    finally:
        logger.handlers, logger.propagate = before
    assert [line["minor"] for line in lines] == [100]
    said = capsys.readouterr().err
    assert "No such file" in said
    assert "'minor': 100" in said
