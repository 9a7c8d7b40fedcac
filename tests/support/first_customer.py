"""The customer that most tests have: created once by the product, restored by one statement.

To open an account and to create its key takes 17 statements, and thousands of tests need just that.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from billing.accounts.account_creation import AccountLimits, open_account
from billing.metering.quotas import find_call_quotas
from billing.tables import Account, ApiKey
from gateway.access.api_keys import IssuedKey, create_key
from infra.clock import SystemClock
from infra.database.database import Database
from infra.settings import Settings
from tests.support.replica_function import ReplicaFunction, connect_as_replica

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
    """The customer as the product created it."""

    account: Account
    key: IssuedKey

    def copied(self) -> tuple[Account, IssuedKey]:
        """Objects that a test may change."""
        row = ApiKey(**self.key.row.model_dump())
        return Account(**self.account.model_dump()), IssuedKey(self.key.secret, row)


class FirstCustomer:
    """Restores the recorded customer in an empty database, over one connection."""

    def __init__(self) -> None:
        self._url = ""
        self._recorded: Recorded | None = None
        self._insert: ReplicaFunction | None = None

    async def record(self, url: str, database: Database) -> None:
        """Create the customer in the empty database with the quotas that the first call adds, and
        keep all rows that are there then."""
        clock = SystemClock()
        async with database.transaction() as session:
            account = await open_account(session, clock, NAME, _CURRENCY, PLENTY)
            key = await create_key(session, clock, _PEPPER.encode(), account.id, "test")
            await find_call_quotas(session, account.id, key.row.id, clock.now())
        with closing(connect_as_replica(url)) as connection:
            create = sql.SQL(_FUNCTION).format(_inserts(connection))
        self._insert = ReplicaFunction(url, "restore_customer", create)
        self._recorded, self._url = Recorded(account, key), url

    def restore(self, settings: Settings) -> tuple[Account, IssuedKey] | None:
        """Insert the customer. None if the settings have another database, currency or secret key,
        or the database has an account."""
        if self._recorded is None or self._insert is None or not self._has_recorded(settings):
            return None
        return self._recorded.copied() if self._insert() else None

    def close(self) -> None:
        if self._insert is not None:
            self._insert.close()

    def _has_recorded(self, settings: Settings) -> bool:
        url, secret = settings.database_url, settings.data_dir / _SECRET_FILE
        if url is None or url.get_secret_value() != self._url or settings.secret_key is not None:
            return False
        write_secret(settings.data_dir)
        return settings.currency == _CURRENCY and secret.read_text("ascii") == _PEPPER


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
