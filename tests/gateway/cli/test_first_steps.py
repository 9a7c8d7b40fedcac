"""What `maas up` shows of its database: a first key, an account that exists, a link to sign in."""

import shlex
from pathlib import Path

import pytest

from gateway.cli.output import Output
from gateway.cli.supervisor import create_first_access
from tests.support import builders
from tests.support.gateway.commands import Maas

SERVING = "http://127.0.0.1:9"


async def test_the_suggested_account_exists(maas: Maas, database_url: str, tmp_path: Path) -> None:
    configured = builders.settings(database_url, tmp_path, SERVING)
    shown = await create_first_access(configured, database_url)
    assert (shown.account, shown.key) == ("Acme", None)
    assert (await maas.say("keys", "create", shown.account))["secret"][:5] == "maas_"


async def test_a_link_until_there_is_somebody(database_url: str, tmp_path: Path) -> None:
    """The first key is shown once; of the links, the newest is the one that works."""
    configured = builders.settings(database_url, tmp_path, SERVING)
    first, again = [await create_first_access(configured, database_url) for _ in range(2)]
    assert first.sign_in is not None
    assert "/dashboard/invitation/" in first.sign_in
    assert first.key is not None
    assert again.key is None
    assert again.sign_in not in (None, first.sign_in)


def test_a_person_is_shown_the_name_as_the_shell_needs_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Output(False).report_ready("http://127.0.0.1:1", None, "m", "Acme's 精密")
    told = capsys.readouterr().out
    assert "keys create " + shlex.quote("Acme's 精密") in told
    assert "create demo" not in told
