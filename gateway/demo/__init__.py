"""The `maas demo` data: three example firms with about three months of calls and billing.

    dates -> calls of each day -> usage rows -> billing jobs -> actions of firms and operator -> now

Nothing is hard-coded: calls are rated, leased and recorded as in a gateway, and invoices come from
the billing jobs, run with a simulated clock that starts some months ago and ends now.
"""
