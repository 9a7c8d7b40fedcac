"""Migrations 0026 to 0029: collector-neutral columns beside the Stripe columns of before."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

import infra
from infra.database.connect import driver_url
from infra.database.migrate import migrate
from tests.support.nightly import nightly

# Two invoices at Stripe with outbox rows, one collected manually, and a customer.
_BEFORE = """
    insert into account (id, name, currency, created_at)
    values (gen_random_uuid(), 'Acme', 'CNY', now());
    insert into billing_profile (account_id, legal_entity_id, time_zone, anchor_day, tax_treatment,
        tax_ppm, tax_number, collection, net_days, billing_name, address, email, locale,
        stripe_customer)
    select a.id, e.id, 'UTC', 1, 'standard', 0, '', 'stripe_charge', 0, '', '', '', 'en', 'cus_1'
    from account a, legal_entity e;
    insert into invoice (id, account_id, legal_entity_id, status, currency, starts_at, ends_at,
        tax_treatment, tax_ppm, net, tax, total, usage, created_at, reminders, stripe_invoice)
    select gen_random_uuid(), a.id, e.id, 'draft', 'CNY', now(), now(), 'standard', 0, n, 0, n, 0,
        now(), 0, case when n = 1 then 'in_1' end
    from account a, legal_entity e, generate_series(1, 3) n;
    insert into outbox (id, account_id, action, subject, business_key, payload, created_at, due_at,
        attempts)
    select gen_random_uuid(), account_id, 'stripe_invoice', 'invoice:' || id,
        'invoice:' || id || ':stripe_invoice', '{}', now(), now(), 0
    from invoice where total = 2;
    insert into inbox (id, kind, payload, received_at, due_at, attempts)
    values ('evt_1', 'invoice.paid', '{}', now(), now(), 0);
"""
_INVOICES = "select total, collector, external_invoice, stripe_invoice from invoice order by 1"
_PROFILES = "select collector, external_customer, stripe_customer from billing_profile"
_MIGRATED = [(1, "stripe", "in_1", "in_1"), (2, "stripe", None, None), (3, None, None, None)]


class Schema:
    """A database, its migrations and queries."""

    def __init__(self, url: str) -> None:
        self.url = url

    def step(self, to: Callable[[Config, str], None], revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(infra.__file__).parent / "migrations"))
        engine = create_engine(driver_url(self.url))
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            to(config, revision)
        engine.dispose()

    def run(self, statement: str) -> list[Any]:
        engine = create_engine(driver_url(self.url))
        with engine.begin() as connection:
            result = connection.exec_driver_sql(statement)
            rows = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return rows


@pytest.fixture
def schema(postgres: str) -> Iterator[Schema]:
    """A database of the previous release with rows of that release."""
    admin = create_engine(driver_url(postgres), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("drop database if exists columns with (force)"))
        connection.execute(text("create database columns"))
        url = make_url(postgres).set(database="columns").render_as_string(hide_password=False)
        made = Schema(url)
        made.step(command.upgrade, "0023")
        made.run(_BEFORE)
        yield made
        connection.execute(text("drop database columns with (force)"))
    admin.dispose()


@nightly
def test_rows_of_the_previous_release_are_migrated_and_downgraded(schema: Schema) -> None:
    for _ in range(2):
        migrate(schema.url)
        assert schema.run(_INVOICES) == _MIGRATED
        assert schema.run(_PROFILES) == [("stripe", "cus_1", "cus_1")]
        assert schema.run("select collector from inbox") == [("stripe",)]
        schema.step(command.downgrade, "0023")
    assert schema.run("select stripe_invoice from invoice where total = 1") == [("in_1",)]
    assert schema.run("select stripe_customer from billing_profile") == [("cus_1",)]


@nightly
def test_triggers_copy_writes_between_old_and_new_columns(schema: Schema) -> None:
    migrate(schema.url)
    schema.run("update invoice set stripe_invoice = 'in_2' where total = 2")
    schema.run("update invoice set collector = 'stripe', external_invoice = 'in_3' where total = 3")
    assert schema.run(_INVOICES) == [
        (number, "stripe", f"in_{number}", f"in_{number}") for number in (1, 2, 3)
    ]
    schema.run("update billing_profile set stripe_customer = 'cus_2'")
    assert schema.run(_PROFILES) == [("stripe", "cus_2", "cus_2")]
    schema.run("update billing_profile set external_customer = 'cus_3'")
    assert schema.run(_PROFILES) == [("stripe", "cus_3", "cus_3")]
    schema.run(
        "insert into inbox (id, kind, payload, received_at, due_at, attempts) "
        "values ('evt_2', 'invoice.paid', '{}', now(), now(), 0)"
    )
    assert schema.run("select distinct collector from inbox") == [("stripe",)]


@nightly
def test_ids_of_another_collector_are_not_copied_to_stripe_columns(schema: Schema) -> None:
    """The previous release would look up the ids in the Stripe columns at Stripe."""
    migrate(schema.url)
    schema.run("update invoice set collector = 'other', external_invoice = 'in_1' where total = 3")
    schema.run("update billing_profile set collector = 'other', external_customer = 'o_1'")
    assert schema.run(_INVOICES)[2] == (3, "other", "in_1", None)
    assert schema.run(_PROFILES) == [("other", "o_1", "cus_1")]
