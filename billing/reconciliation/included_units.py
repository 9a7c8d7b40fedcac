"""Checks that quotas, usage rows and totals agree on included units (allowances).

Each check is one query that returns (subject, recorded, expected) for each difference.
"""

from collections.abc import Mapping

from billing.rating.products import PRODUCT_SQL

# The included units that each call used, by quota.
_COVERED_UNITS_BY_CALL = f"""
    select u.request_id, u.account_id, u.plan_version_id, {PRODUCT_SQL} as model,
           u.started_at, u.written_in,
           m.key as meter, q.key::uuid as quota_id, q.value::bigint as units,
           coalesce((to_jsonb(u) ->> m.key)::bigint, 0) as consumed
    from usage u cross join lateral jsonb_each(u.covered) m
    cross join lateral jsonb_each_text(m.value) q
    where u.covered is not null
"""  # noqa: S608  # put together of a constant
CHECKS: Mapping[str, str] = {
    "Included-unit quotas equal the units that calls used": f"""
        with used as (
            select q.account_id, q.id as quota_id, q.used + coalesce(
                (select sum(l.used - l.folded) from quota_lease l where l.quota_id = q.id), 0
            ) as units from quota q where q.kind = 'included_units'
        ), taken as (
            select account_id, quota_id, sum(units) as units
            from ({_COVERED_UNITS_BY_CALL}) t group by 1, 2
        )
        select quota_id::text, coalesce(u.units, 0), coalesce(t.units, 0)
        from used u full join taken t using (account_id, quota_id)
        where coalesce(u.units, 0) <> coalesce(t.units, 0)
    """,  # noqa: S608  # put together of the constant above
    "Included units belong to the call's terms and were consumed": f"""
        select t.request_id::text, sum(t.units), coalesce(min(t.consumed) filter (where q.id is
               not null), 0)
        from (
            select c.* from ({_COVERED_UNITS_BY_CALL}) c
            where not exists (select from pack_purchase k where k.id = c.quota_id)
        ) t left join quota q
          on q.id = t.quota_id and q.account_id = t.account_id and q.kind = 'included_units'
         and q.plan_version_id = t.plan_version_id and q.period_start <= t.started_at
         and q.scope in (t.model || '/' || t.meter, '*/' || t.meter)
        group by t.request_id, t.meter
        having bool_or(q.id is null) or sum(t.units) > min(t.consumed)
    """,  # noqa: S608  # the same
    "Period totals equal the included units that calls used": f"""
        select quota_id::text, coalesce(c.units, 0), coalesce(t.units, 0)
        from usage_cover_total c full join (
            select account_id, quota_id, sum(units) as units from ({_COVERED_UNITS_BY_CALL}) t
            where written_in < (select consumed from usage_cursor) group by 1, 2
        ) t using (account_id, quota_id)
        where coalesce(c.units, 0) <> coalesce(t.units, 0)
    """,  # noqa: S608  # the same
}
