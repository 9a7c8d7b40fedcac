"""The audit reports known, unaccepted vulnerabilities, and that no audit took place if offline."""

import json
import zipfile
from datetime import date
from pathlib import Path

import pytest

from tests.auditing.__main__ import ROOT
from tests.auditing.accepted import Accepted, read_accepted
from tests.auditing.auditing import ADVISORIES, Audited, Finding, audit, told

TODAY = date(2026, 11, 26)
PACKAGE = {"name": "some-package", "ecosystem": "PyPI"}
EVENTS = [{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.2"}]
ADVISORY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "summary": "it is bad",
    "affected": [{"package": PACKAGE, "ranges": [{"type": "ECOSYSTEM", "events": EVENTS}]}],
}
ACCEPTED = Accepted("CVE-2026-1", "some-package", "not called", TODAY, date(2027, 2, 1))


@pytest.fixture
def advisories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of OSV's data with one valid and one withdrawn advisory."""
    place = tmp_path / "osv.zip"
    withdrawn = {**ADVISORY, "id": "PYSEC-2026-2", "withdrawn": "2026-01-01T00:00:00Z"}
    with zipfile.ZipFile(place, "w") as archive:
        for one in (ADVISORY, withdrawn):
            archive.writestr(f"{one['id']}.json", json.dumps(one))
    monkeypatch.setenv(ADVISORIES, str(place))
    return place


def pinned(folder: Path, version: str) -> Path:
    file = folder / "requirements.txt"
    file.write_text(f"some-package=={version}\nanother==1.0\n")
    return file


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(("version", "found"), [("1.4", 1), ("1.5", 0), ("2.1", 1), ("2.2", 0)])
def test_audit_reports_versions_with_a_known_vulnerability(
    advisories: Path, tmp_path: Path, version: str, found: int
) -> None:
    audited = audit(pinned(tmp_path, version), (), TODAY)
    finding = Finding("some-package", version, "PYSEC-2026-1", ("1.5", "2.2"))
    assert audited == Audited(2, 0, (finding,) * found, ())
    assert ("PYSEC-2026-1, mended in 1.5, 2.2" in told(audited)) is bool(found)


@pytest.mark.usefixtures("network")
def test_accepted_vulnerability_is_ignored_until_its_expiry(
    advisories: Path, tmp_path: Path
) -> None:
    file = pinned(tmp_path, "1.4")
    assert audit(file, (ACCEPTED,), TODAY) == Audited(2, 0, (), ())
    later = audit(file, (ACCEPTED,), date(2027, 2, 2))
    assert later.run_out == ("CVE-2026-1",)
    assert "has run out" in told(later)


@pytest.mark.usefixtures("processes")
def test_audit_without_an_advisory_service_reports_that_no_audit_took_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreachable advisory service gives neither findings nor a passed audit."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv(ADVISORIES, raising=False)
    audited = audit(pinned(tmp_path, "1.4"), (), TODAY)
    assert (audited.looked_at, audited.found) == (0, ())
    assert told(audited).startswith("DEPENDENCIES WERE NOT AUDITED")


@pytest.mark.parametrize(
    "entry",
    [
        'id = "A"\npackage = "b"\nreason = " "\nsince = 2026-11-26\nuntil = 2026-12-26',
        'id = "A"\npackage = "b"\nreason = "c"\nsince = 2026-11-26\nuntil = 2028-11-26',
        'id = "A"\npackage = "b"\nsince = 2026-11-26\nuntil = 2026-12-26',
    ],
)
def test_acceptance_without_reason_or_near_expiry_is_rejected(entry: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        read_accepted(f"[[accepted]]\n{entry}")


def test_accepted_vulnerability_file_of_the_project_is_valid() -> None:
    read_accepted((ROOT / "tests/auditing/accepted.toml").read_text("utf-8"))
