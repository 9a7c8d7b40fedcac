"""Run pip-audit on the pinned dependencies, with local advisories or PyPI's.

pip-audit skips packages unknown to its service and exits with success: they are counted here,
and an audit without any audited package is reported as not done.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.auditing.accepted import Accepted
from tests.auditing.advisories import serving_advisories

# A folder or archive of OSV advisories for PyPI, for machines without internet access.
ADVISORIES = "MAAS_ADVISORIES"


@dataclass(frozen=True)
class Finding:
    """A vulnerable dependency and its fixed versions."""

    package: str
    version: str
    id: str
    fixed_in: tuple[str, ...]


@dataclass(frozen=True)
class Audited:
    """The number of audited and of skipped packages, and the findings."""

    looked_at: int
    unknown: int
    found: tuple[Finding, ...]
    run_out: tuple[str, ...]
    unreached: str = ""


def audit(requirements: Path, accepted: Sequence[Accepted], today: date | None = None) -> Audited:
    """Audit the pinned requirements."""
    today = today or datetime.now(UTC).date()
    place = os.environ.get(ADVISORIES)
    with (
        serving_advisories(Path(place)) if place else nullcontext() as url,
        TemporaryDirectory() as cache,
    ):
        said, error = _pip_audit(requirements, url, Path(cache))
    run_out = tuple(one.id for one in accepted if one.until < today)
    if said is None:
        return Audited(0, 0, (), run_out, error)
    ignored = {one.id for one in accepted}
    dependencies = said["dependencies"]
    skipped = [one for one in dependencies if "skip_reason" in one]
    looked_at = len(dependencies) - len(skipped)
    found = tuple(
        Finding(one["name"], one["version"], fault["id"], tuple(fault["fix_versions"]))
        for one in dependencies
        for fault in one.get("vulns", ())
        if not ignored & {fault["id"], *fault.get("aliases", ())}
    )
    unreached = "" if looked_at else "the service knows none of them"
    return Audited(looked_at, len(skipped), found, run_out, unreached)


def told(audited: Audited) -> str:
    """The audit result as text."""
    lines = [f"{one}: its acceptance has run out" for one in audited.run_out]
    for one in audited.found:
        better = ", ".join(one.fixed_in) or "no version yet"
        lines.append(f"{one.package} {one.version}: {one.id}, mended in {better}")
    if audited.unreached:
        lines.append(
            f"DEPENDENCIES WERE NOT AUDITED: {audited.unreached}. Run this where PyPI's advisories "
            f"can be asked, or set {ADVISORIES} to a copy of OSV's for PyPI."
        )
    else:
        lines.append(f"{audited.looked_at} dependencies audited, {len(audited.found)} vulnerable")
        lines += [f"{audited.unknown} are not known to the service"] if audited.unknown else []
    return "\n".join(lines)


def _pip_audit(
    requirements: Path, url: str | None, cache: Path
) -> tuple[Mapping[str, Any] | None, str]:
    """The output of pip-audit, or None and the reason."""
    service = ("--vulnerability-service", "osv", "--osv-url", url) if url else ()
    command = [
        *(sys.executable, "-m", "pip_audit", "--requirement", str(requirements), *service),
        *("--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"),
        *("--cache-dir", str(cache), "--timeout", "20"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout), ""
    except ValueError:
        lines = done.stderr.strip().splitlines() or ["pip-audit said nothing"]
        return None, lines[-1][:300]
