"""Checks that payment orders and refunds agree with the ledger.

Each check returns (subject, recorded, expected) for each difference, in the snapshot of
billing/reconciliation/usage_and_quotas.py. For operators: reads across accounts (account_id).
"""

from collections.abc import Mapping

CHECKS: Mapping[str, str] = {
    "Paid payment orders are in the ledger once": """
        select o.id::text, coalesce(sum(p.minor), 0),
               case when o.state = 'paid' then o.minor else 0 end
        from payment_order o
        left join wallet_grant g on g.account_id = o.account_id
          and g.business_key = 'payment:' || o.method || ':' || o.transaction_id
        left join ledger_transaction t on t.account_id = o.account_id
          and t.business_key in (
              'payment:' || o.method || ':' || o.transaction_id, 'grant:' || g.id
          )
        left join ledger_posting p on p.transaction_id = t.id and p.book = 'cash'
        group by o.id
        having coalesce(sum(p.minor), 0) <> case when o.state = 'paid' then o.minor else 0 end
    """,
    "Payments by QR code belong to one paid order": """
        select y.id::text, count(o.id), 1
        from payment y
        left join payment_order o on o.method = y.method and o.transaction_id = y.reference
          and o.minor = y.minor and o.invoice_id = y.invoice_id
        where y.method in (select distinct method from payment_order)
        group by y.id having count(o.id) <> 1
    """,
    "Refunds of payment orders are in the ledger": """
        select r.id::text, coalesce(-sum(p.minor), 0),
               case when r.state = 'failed' then 0 else r.minor end
        from payment_refund r
        left join wallet_grant g on g.account_id = r.account_id
          and g.business_key = 'payment_refund_failed:' || r.id
        left join ledger_transaction t on t.account_id = r.account_id and t.business_key in (
            'payment_refund:' || r.id, 'credit_note:' || r.credit_note_id, 'grant:' || g.id
        )
        left join ledger_posting p on p.transaction_id = t.id and p.book = 'cash'
        group by r.id
        having coalesce(-sum(p.minor), 0) <> case when r.state = 'failed' then 0 else r.minor end
    """,
    "Refunds do not exceed their payment": """
        select o.id::text, sum(r.minor), o.minor
        from payment_order o join payment_refund r on r.order_id = o.id and r.state <> 'failed'
        group by o.id having sum(r.minor) > o.minor
    """,
    "Payment discrepancies are resolved": """
        select d.order_id::text || ' ' || d.kind, d.minor, o.minor
        from payment_discrepancy d join payment_order o on o.id = d.order_id
        where d.resolved_at is null
    """,
}
