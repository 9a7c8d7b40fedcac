"""First access that `maas up` prints: a key, an account and a sign-in link."""

import shlex
from pathlib import Path

import pytest

from gateway.cli.output import Output
from gateway.cli.process.supervisor import create_first_access
from tests.support import builders
from tests.support.gateway.commands import Maas

SERVING = "http://127.0.0.1:9"


async def test_suggested_account_exists_and_can_get_a_key(
    maas: Maas, database_url: str, tmp_path: Path
) -> None:
    configured = builders.settings(database_url, tmp_path, SERVING)
    shown = await create_first_access(configured, database_url)
    assert (shown.account, shown.key) == ("Acme", None)
    assert (await maas.say("keys", "create", shown.account))["secret"][:5] == "maas_"


async def test_restart_creates_a_new_sign_in_link_and_no_second_key(
    database_url: str, tmp_path: Path
) -> None:
    """The first key is shown once; each start creates a new sign-in link until a person exists."""
    configured = builders.settings(database_url, tmp_path, SERVING)
    first, again = [await create_first_access(configured, database_url) for _ in range(2)]
    assert first.sign_in is not None
    assert "/dashboard/invitation/" in first.sign_in
    assert first.key is not None
    assert again.key is None
    assert again.sign_in not in (None, first.sign_in)


def test_suggested_command_quotes_the_account_name_for_the_shell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Output(False).report_ready("http://127.0.0.1:1", None, "m", "Acme's 精密")
    told = capsys.readouterr().out
    assert "keys create " + shlex.quote("Acme's 精密") in told
    assert "create demo" not in told
