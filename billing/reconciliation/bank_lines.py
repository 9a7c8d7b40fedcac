"""Checks that lines of bank statements agree with the payments recorded for them.

Each check returns (subject, recorded, expected) for each difference, in the snapshot of
billing/reconciliation/usage_and_quotas.py. For operators: reads across accounts (account_id).
"""

from collections.abc import Mapping

# Payments of bank lines are named by the hash of their line (billing/bank_statements/confirmation).
_LINE_PAYMENTS = """
    select id, minor, split_part(reference, ':', 2) as line_hash from payment
    where method = 'manual' and reference ~ '^bank:[0-9a-f]{32}\\:[0-9a-f]{32}$'
"""
CHECKS: Mapping[str, str] = {
    "Confirmed bank lines equal their payments": f"""
        select l.id::text, coalesce(sum(y.minor), 0), l.minor
        from bank_line l left join ({_LINE_PAYMENTS}) y on y.line_hash = left(l.line_hash, 32)
        where l.status = 'confirmed'
        group by l.id having coalesce(sum(y.minor), 0) <> l.minor
    """,  # noqa: S608  # put together of a constant
    "Payments of bank lines have a confirmed line": f"""
        select y.id::text, y.minor, 0
        from ({_LINE_PAYMENTS}) y
        left join bank_line l on left(l.line_hash, 32) = y.line_hash and l.status = 'confirmed'
        where l.id is null
    """,  # noqa: S608  # the same
    "Bank lines that differ from their invoice are decided": """
        select id::text, 0, minor from bank_line
        where status = 'proposed' and flags <> '[]'\\:\\:jsonb
    """,
}
