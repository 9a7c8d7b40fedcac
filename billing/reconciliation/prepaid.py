"""Checks that prepaid packs, vouchers and automatic top-ups agree with usage, quotas and ledger.

Each check is one query that returns (subject, recorded, expected) for each difference.
"""

from collections.abc import Mapping

from billing.rating.products import PRODUCT_SQL

# The units of packs that each call used, by purchase and meter.
_PACK_UNITS_BY_CALL = f"""
    select u.request_id, u.account_id, u.parent_id, u.started_at, u.written_in,
           {PRODUCT_SQL} as model, m.key as meter, k.id as purchase_id, q.value::bigint as units
    from usage u cross join lateral jsonb_each(u.covered) m
    cross join lateral jsonb_each_text(m.value) q
    join pack_purchase k on k.id = q.key::uuid
    where u.covered is not null
"""  # noqa: S608  # put together of a constant
CHECKS: Mapping[str, str] = {
    "A pack's used units equal the units of its calls": f"""
        with used as (
            select k.id, k.units, coalesce(q.used, 0) + coalesce(
                (select sum(l.used - l.folded) from quota_lease l where l.quota_id = q.id), 0
            ) as used, coalesce(q.amount, k.units) as amount, k.state
            from pack_purchase k left join quota q on q.id = k.id and q.account_id = k.account_id
        ), taken as (
            select purchase_id, sum(units) as units from ({_PACK_UNITS_BY_CALL}) c group by 1
        )
        select u.id::text, u.used, coalesce(t.units, 0)
        from used u left join taken t on t.purchase_id = u.id
        where u.used <> coalesce(t.units, 0)
        union all
        select id::text || ' units', amount, units from used
        where amount > units or used > units or (state = 'active' and amount <> units)
    """,  # noqa: S608  # put together of the constant above
    "Calls used packs of their account, model and time": f"""
        select c.request_id::text, c.units, 0
        from ({_PACK_UNITS_BY_CALL}) c join pack_purchase k on k.id = c.purchase_id
        where c.account_id <> k.account_id or k.starts_at is null
           or c.started_at < k.starts_at - interval '1 minute'
           -- A linked call belongs to its parent, which may have started before the pack expired.
           or (c.parent_id is null and c.started_at >= k.expires_at)
           or (k.model <> '*' and c.model not in (k.model, k.model || '@batch'))
           or (k.meter <> c.meter and not (k.meter = 'tokens' and c.meter like '%tokens'))
    """,  # noqa: S608  # the same
    "Period totals equal the units of packs that calls used": f"""
        select purchase_id::text, coalesce(t.units, 0), coalesce(c.units, 0)
        from (
            select purchase_id, sum(units) as units from usage_pack_total group by 1
        ) t full join (
            select purchase_id, sum(units) as units from ({_PACK_UNITS_BY_CALL}) u
            where written_in < (select consumed from usage_cursor) group by 1
        ) c using (purchase_id)
        where coalesce(t.units, 0) <> coalesce(c.units, 0)
    """,  # noqa: S608  # the same
    "Deferred revenue of packs equals what is not used, credited or expired": """
        with booked as (
            select k.id, k.state, i.net,
                coalesce(-sum(p.minor) filter (where p.book = 'deferred_revenue'), 0) as deferred,
                coalesce(-sum(p.minor) filter (where p.book = 'revenue_packs'), 0) as recognized
            from pack_purchase k join invoice i on i.id = k.invoice_id
            left join ledger_posting p on p.invoice_id = i.id
            group by k.id, i.id
        ), stored as (
            select b.*, coalesce((
                select sum(r.minor) from pack_recognition r where r.purchase_id = b.id
            ), 0) as recognized_rows, coalesce((
                select sum(n.net) from credit_note n join pack_purchase k on k.id = b.id
                where n.invoice_id = k.invoice_id
            ), 0) as credited from booked b
        )
        select id::text || ' recognized', recognized, recognized_rows from stored
        where recognized <> recognized_rows
        union all
        select id::text || ' deferred', deferred,
               case when state = 'canceled' then 0 else net - credited - recognized end
        from stored
        where deferred <> case when state = 'canceled' then 0
                               else net - credited - recognized end
           or deferred < 0 or (state in ('expired', 'refunded') and deferred <> 0)
    """,
    "Vouchers were used as often as they were redeemed": """
        select v.id::text, v.uses, count(r.id)
        from voucher v left join voucher_redemption r on r.voucher_id = v.id
        group by v.id having v.uses <> count(r.id)
        union all
        select r.id::text, coalesce(g.minor, 0), b.minor
        from voucher_redemption r join voucher_batch b on b.id = r.batch_id
        left join wallet_grant g on g.id = r.grant_id and g.account_id = r.account_id
        where b.minor is not null and (g.id is null or g.minor <> b.minor or g.paid)
        union all
        select r.id::text, 0, 1
        from voucher_redemption r join voucher_batch b on b.id = r.batch_id
        left join pack_purchase k on k.id = r.purchase_id and k.account_id = r.account_id
        where b.pack_id is not null and (k.id is null or k.pack_id <> b.pack_id)
    """,
    "Automatic top-ups equal their payments": """
        select t.id::text, t.minor, case when o.state = 'paid' then o.minor else 0 end
        from auto_top_up_attempt t join payment_order o on o.id = t.order_id
        where o.account_id <> t.account_id or o.minor <> t.minor
           or (t.state = 'paid') <> (o.state = 'paid')
    """,
}
