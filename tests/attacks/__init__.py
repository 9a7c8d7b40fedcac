"""Attacks on a running service, one module each: `python -m tests.attacks.<name>`.

Each module starts what it needs, attacks at full size, prints its figures and exits 1 where the
defence does not hold. `python -m tests.attacks` runs them all. What they share is in `support`.
"""
