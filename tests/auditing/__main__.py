"""The audit of dependencies: `python -m tests.auditing`, used by `make audit` and `make check`.

Known vulnerabilities without acceptance and expired acceptances fail the audit; unreachable
advisories are reported and do not fail it.
"""

import sys
from pathlib import Path

from tests.auditing.accepted import read_accepted
from tests.auditing.auditing import audit, told

ROOT = Path(__file__).parent.parent.parent


def main() -> int:
    accepted = read_accepted(Path(__file__).with_name("accepted.toml").read_text("utf-8"))
    audited = audit(ROOT / "constraints.txt", accepted)
    sys.stdout.write(f"{told(audited)}\n")
    return 1 if audited.found or audited.run_out else 0


if __name__ == "__main__":
    sys.exit(main())
