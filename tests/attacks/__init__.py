"""Attacks on a running service, one module each: `python -m tests.attacks.<name>`.

Each module starts a service, attacks at full size, prints figures and exits 1 if the
defence fails. `python -m tests.attacks` runs all. Shared code is in `support`.
"""
