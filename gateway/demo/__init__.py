"""The demo: three example firms whose months the real functions bill.

    dates -> calls of a day -> their rows -> jobs -> what firms and the operator do -> now

No figure is written by hand: calls are rated, leased and recorded as a gateway does it, bills come
from the jobs' own rounds, on a clock that begins some months ago and ends now.
"""
