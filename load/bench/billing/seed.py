"""Fill a database with a thousand firms and a month of their usage.

Plans are published with the product's command; rows are inserted as the gateway would write them.
Usage is skewed: the busiest firms have some hundred times that of the quietest.
"""

from collections.abc import Sequence

import psycopg

ACCOUNTS = 1_000
KEYS_EACH = 2
# Tasks of the models that are called, in the order of _USAGE.
TASKS = ("text-generation", "embedding", "classification")
_CREATED = "2026-10-01 00:00+08"
_MONTH_S = 31 * 86_400

_FIRMS = """
    insert into account (id, name, currency, created_at)
    select gen_random_uuid(), 'firm ' || n, 'CNY', %(created)s::timestamptz
    from generate_series(1, %(accounts)s) n;
"""
_PROFILES = """
    insert into billing_profile (account_id, legal_entity_id, time_zone, anchor_day, tax_treatment,
        tax_ppm, tax_number, collection, net_days, billing_name, address, email, locale)
    select a.id, e.id, 'Asia/Shanghai', 1, 'standard', 60000, '', 'manual', 30, '', '', '', 'zh'
    from account a, legal_entity e;

    insert into credit_entry (id, account_id, reason, amount_nano, note, created_at)
    select gen_random_uuid(), id, 'credit_limit', 1000000000000, '', created_at from account;

    insert into quota (id, account_id, kind, amount, used, leased, recalls)
    select gen_random_uuid(), id, 'credit', 1000000000000, 0, 0, 0 from account;

    insert into api_key (id, account_id, name, hint, hash, created_at)
    select gen_random_uuid(), a.id, 'key', '', decode(md5(a.id::text || k), 'hex'), a.created_at
    from account a, generate_series(1, %(keys)s) k;

    insert into subscription_phase (id, account_id, plan_version_id, starts_at, fees_from,
        fees_until, trial, created_at)
    select gen_random_uuid(), a.id, v.id, a.created_at, a.created_at, '2026-11-01 00:00+08',
        false, a.created_at
    from (select id, created_at, row_number() over (order by id) as n from account) a
    join (select id, row_number() over (order by id) - 1 as n, count(*) over () as plans
          from plan_version where plan like 'bench%%') v on a.n %% v.plans = v.n;
"""
# The square of a uniform number: shares of firms decrease smoothly.
_USAGE = """
    insert into usage (request_id, account_id, key_id, operation, model, streamed, settlement,
        status, input_tokens, cached_input_tokens, output_tokens, rows, cost_nano, currency,
        started_at, duration_us, plan_version_id, tags)
    select gen_random_uuid(), f.account_id, f.key_id,
        case c.m when 3 then 'predictions' when 2 then 'embeddings' else 'chat' end,
        (%(models)s::text[])[c.m], false, case when c.r < 0.01 then 'refused' else 'complete' end,
        200, case when c.m < 3 then (c.r * 2000)::int end, case when c.m = 1 then 10 end,
        case when c.m = 1 then (c.r * 500)::int end, case when c.m = 3 then 1 end,
        0, 'CNY', %(created)s::timestamptz + c.at * interval '1 second', 100000,
        f.plan_version_id,
        case when c.r > 0.9 then jsonb_build_object('order', 'A-' || (c.r * 1000)::int) end
    from (
        select 1 + floor(power(random(), 2) * %(firms)s)::int as n, random() as r,
               1 + floor(random() * 3)::int as m, random() * %(month)s as at
        from generate_series(1, %(rows)s)
    ) c
    join (
        select row_number() over (order by k.id) as n, k.account_id, k.id as key_id,
               s.plan_version_id
        from api_key k join subscription_phase s on s.account_id = k.account_id
    ) f on f.n = c.n;
"""


def seed_firms(url: str) -> None:
    """Create a thousand firms on the published plans, each with two API keys."""
    with psycopg.connect(url, autocommit=True) as connection:
        values = {"created": _CREATED, "accounts": ACCOUNTS, "keys": KEYS_EACH}
        for statement in (*_statements(_FIRMS), *_statements(_PROFILES)):
            connection.execute(statement, values)


def seed_usage(url: str, models: Sequence[str], rows: int, batch: int = 500_000) -> None:
    """Insert October's calls, without foreign key checks, which the queries satisfy."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for start in range(0, rows, batch):
            values = {
                "created": _CREATED,
                "models": list(models),
                "firms": ACCOUNTS * KEYS_EACH,
                "month": _MONTH_S,
                "rows": min(batch, rows - start),
            }
            connection.execute(_USAGE, values)
        connection.execute("analyze")


def busiest(url: str, ranks: Sequence[int]) -> list[str]:
    """Return the names of the firms with these ranks by number of calls."""
    query = """
        select a.name from account a left join usage u on u.account_id = a.id
        group by a.id order by count(u.request_id) desc, a.id
    """
    with psycopg.connect(url) as connection:
        names = [str(row[0]) for row in connection.execute(query)]
    return [names[rank - 1] for rank in ranks]


def _statements(text: str) -> Sequence[str]:
    return [one for one in text.split(";") if one.strip()]
