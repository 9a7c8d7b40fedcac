"""Users of the mixed-day load test, by the credentials that the test has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from load.deployment.firms import Deployment, Firm
from load.mixed_day.firm_rotation import KEY_VARIABLE, SITE_VARIABLE

pytestmark = pytest.mark.usefixtures("processes")

ROOT = Path(__file__).parents[2]
PEOPLE = Deployment(
    ("http://127.0.0.1:9",), (Firm("acme", "", "", "maas_x", ("owner@acme.example",)),)
)
STRIPE = Deployment(
    ("http://127.0.0.1:9",), (Firm("acme", "", "", "maas_x"),), webhook_secret="whsec_x"
)
PROGRAMS = {"Caller", "Streamer"}


def users(environment: dict[str, str]) -> set[str]:
    """The user classes that locust lists."""
    command = [str(Path(sys.executable).with_name("locust")), "-f", "load/locustfile.py", "--list"]
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("Available Users:")[1].split())


def test_load_test_with_only_a_key_runs_only_program_users() -> None:
    """People need sign-in data and Stripe needs its webhook secret; a key alone gives neither."""
    assert users({KEY_VARIABLE: "maas_x"}) == PROGRAMS


@pytest.mark.parametrize(
    ("site", "others"), [(PEOPLE, {"Reader", "Rotator"}), (STRIPE, {"Stripe"})]
)
def test_load_test_of_an_own_deployment_adds_people_or_stripe(
    tmp_path: Path, site: Deployment, others: set[str]
) -> None:
    site.write(tmp_path / "site.json")
    assert users({SITE_VARIABLE: str(tmp_path / "site.json")}) == PROGRAMS | others
