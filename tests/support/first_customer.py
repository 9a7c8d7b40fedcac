"""The customer that most tests have: created once by the product, restored by one statement.

To open an account and to create its key takes 17 statements, and thousands of tests need just that.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from billing.accounts.account_creation import AccountLimits, open_account
from billing.metering.quotas import find_call_quotas
from billing.tables import Account, ApiKey
from gateway.access.api_keys import IssuedKey, create_key
from infra.clock import SystemClock
from infra.database.database import Database
from infra.settings import Settings

NAME = "Acme 精密"
PLENTY = AccountLimits(credit_nano=100 * 10**9, requests=100_000, tokens=100_000_000, streams=1_000)
_CURRENCY = "CNY"
_PEPPER = "0" * 64
_SECRET_FILE = "secret.key"
# Tables whose rows are there before any account.
BASE_TABLES = "('alembic_version', 'access_epoch', 'usage_cursor', 'legal_entity')"
_TABLES = f"""
select schemaname, tablename from pg_tables
where schemaname in ('public', 'jobs') and tablename not in {BASE_TABLES}
"""
_ROWS = "select json_agg(t)::text from {} t"
# As a replica: triggers refuse rows of append-only tables, or add what has been recorded too.
_FUNCTION = """
create function pg_temp.restore_customer() returns boolean language plpgsql as $function$ begin
  if exists (select from account) then return false; end if;
  {}
  return true;
end $function$
"""
_INSERT = "insert into {0} select * from json_populate_recordset(null::{0}, {1});"


def write_secret(data_dir: Path) -> None:
    """Write the secret key with which the recorded key works, if the folder has none."""
    path = data_dir / _SECRET_FILE
    if not path.exists():
        path.write_text(_PEPPER, encoding="ascii")
        path.chmod(0o600)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The customer, and the statements that insert its rows."""

    account: Account
    key: IssuedKey
    inserts: sql.Composable

    def copied(self) -> tuple[Account, IssuedKey]:
        """Objects that a test may change."""
        row = ApiKey(**self.key.row.model_dump())
        return Account(**self.account.model_dump()), IssuedKey(self.key.secret, row)


class FirstCustomer:
    """Restores the recorded customer in an empty database, over one connection."""

    def __init__(self) -> None:
        self._url = ""
        self._recorded: Recorded | None = None
        self._connection: psycopg.Connection | None = None

    async def record(self, url: str, database: Database) -> None:
        """Create the customer in the empty database with the quotas that the first call adds, and
        keep all rows that are there then."""
        clock = SystemClock()
        async with database.transaction() as session:
            account = await open_account(session, clock, NAME, _CURRENCY, PLENTY)
            key = await create_key(session, clock, _PEPPER.encode(), account.id, "test")
            await find_call_quotas(session, account.id, key.row.id, clock.now())
        with closing(_connect(url)) as connection:
            self._recorded = Recorded(account, key, _inserts(connection))
        self._url = url

    def restore(self, settings: Settings) -> tuple[Account, IssuedKey] | None:
        """Insert the customer. None if the settings have another database, currency or secret key,
        or the database has an account."""
        if self._recorded is None or not self._has_recorded(settings) or not self._insert():
            return None
        return self._recorded.copied()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _has_recorded(self, settings: Settings) -> bool:
        url, secret = settings.database_url, settings.data_dir / _SECRET_FILE
        if url is None or url.get_secret_value() != self._url or settings.secret_key is not None:
            return False
        write_secret(settings.data_dir)
        return settings.currency == _CURRENCY and secret.read_text("ascii") == _PEPPER

    def _insert(self) -> bool:
        try:
            return self._inserted()
        except psycopg.OperationalError:  # a test closed all connections of the server
            self.close()
            return self._inserted()

    def _inserted(self) -> bool:
        row = self._opened().execute("select pg_temp.restore_customer()").fetchone()
        return row is not None and row[0]

    def _opened(self) -> psycopg.Connection:
        """The connection that has the function."""
        if self._connection is None:
            assert self._recorded is not None
            self._connection = _connect(self._url)
            self._connection.execute(sql.SQL(_FUNCTION).format(self._recorded.inserts))
        return self._connection


def _connect(url: str) -> psycopg.Connection:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(plain, autocommit=True)
    connection.execute("set session_replication_role = replica")
    return connection


def _inserts(connection: psycopg.Connection) -> sql.Composable:
    """The statements that insert the rows which the database has now."""
    found = []
    for schema, table in connection.execute(_TABLES).fetchall():
        name = sql.Identifier(schema, table)
        row = connection.execute(sql.SQL(_ROWS).format(name)).fetchone()
        if row is not None and row[0] is not None:
            found.append(sql.SQL(_INSERT).format(name, sql.Literal(row[0])))
    return sql.SQL("\n").join(found)


FIRST_CUSTOMER = FirstCustomer()
