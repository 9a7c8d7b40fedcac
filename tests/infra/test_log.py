"""Logs: JSON lines, and nothing in them that must not be."""

import json
import logging

import pytest
import structlog

from gateway.keys import make_secret
from infra.log import configure_logging, strike_secrets


class TestSecrets:
    def test_keys_are_struck_out_of_texts_and_fields(self) -> None:
        secret = make_secret()
        event = {"event": f"bad key {secret}!", "authorization": f"Bearer {secret}", "n": 1}
        struck = strike_secrets(None, "info", event)
        assert secret not in repr(struck)
        assert struck["n"] == 1

    @pytest.mark.parametrize("field", ["prompt", "messages", "body", "password"])
    def test_prompts_are_struck_out(self, field: str) -> None:
        assert strike_secrets(None, "info", {field: "private"})[field] == "[struck out]"


class TestFormat:
    def test_our_lines_and_the_librarys_are_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        configure_logging("info")
        try:
            structlog.get_logger().info("ours", count=2)
            logging.getLogger("uvicorn").warning("theirs %s", make_secret())
        finally:
            root.handlers[:], root.level = handlers, level
            structlog.reset_defaults()
        ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
        assert (ours["event"], ours["count"], ours["level"]) == ("ours", 2, "info")
        assert theirs["event"] == "theirs maas_[struck out]"
