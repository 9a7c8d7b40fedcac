"""Fixtures of several test packages: a real PostgreSQL, a model server, a gateway."""

import gc
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from billing.accounts.account_creation import AccountLimits
from infra.clock import Clock
from infra.database.database import Database
from infra.database.embedded_postgres import start_postgres
from infra.timing import Timing
from models.catalog import Catalog
from tests.support import builders
from tests.support.builders import Gateway, Limited, run_gateway
from tests.support.connecting import POOLS, close_if_used
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.first_customer import FIRST_CUSTOMER
from tests.support.heavy import IMPORTED, imported_large
from tests.support.migrated_database import copy_files, migrated_files
from tests.support.paying.service import PayingService, run_paying_service
from tests.support.profile import PROFILE
from tests.support.serving import APPLICATIONS
from tests.support.shared_statements import share_statements
from tests.support.steady_loop import use_steady_loops
from tests.support.stories.story import Story
from tests.support.stories.stripe_story import StripeStory, run_stripe_story

# Of the programs that tests start.
os.environ["MAAS_PROFILE"] = PROFILE

use_steady_loops()
share_statements()

pytest_plugins = (
    "tests.support.engine.plugin",
    "tests.support.levels",
    "tests.support.properties",
)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Iterator[Any]:
    """Imported modules keep millions of objects: exclude them from garbage collection, which would
    scan them repeatedly during imports and tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        session.config.stash[IMPORTED] = imported_large()
        gc.enable()
        gc.collect()
        gc.freeze()
        gc.collect()  # the objects left here determine the interval of later collections
        # Each collection also calls Hypothesis, which measures them: 700 new objects are reached in
        # every call of a gateway.
        gc.set_threshold(20_000)


@pytest.fixture(scope="session", autouse=True)
async def _applications() -> AsyncIterator[None]:
    """Ends the applications that served tests."""
    yield
    await APPLICATIONS.stop()


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a migrated database, to be copied."""
    return migrated_files(tmp_path_factory)


@pytest.fixture(scope="session")
def postgres(migrated_database: Path) -> Iterator[str]:
    """The URL of a migrated database on a server that this worker started."""
    with tempfile.TemporaryDirectory(prefix="maas-test-") as folder:
        copy_files(migrated_database, Path(folder) / "postgres")
        server = start_postgres(Path(folder) / "postgres")
        yield server.url
        server.stop()


@pytest.fixture
def network() -> None:
    """For tests that open sockets without another fixture (tests/support/levels.py)."""


@pytest.fixture
def processes() -> None:
    """For tests that start programs without another fixture (tests/support/levels.py)."""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder for embedded databases, outside pytest's own folder, which only its owner may enter:
    PostgreSQL started by root runs as another user."""
    with tempfile.TemporaryDirectory(prefix="maas-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def emptying(postgres: str) -> Iterator[builders.Emptying]:
    made = builders.Emptying(postgres)
    yield made
    made.close()


@pytest.fixture(scope="session")
async def lasting(
    postgres: str, emptying: builders.Emptying
) -> AsyncIterator[tuple[Database, Database]]:
    """The databases behind `database` and `working`, open as long as gateways use them."""
    POOLS.lasting_url = postgres
    both = Database(postgres, pool_size=2), Database(postgres, pool_size=8)
    emptying()
    await FIRST_CUSTOMER.record(postgres, both[0])
    yield both
    FIRST_CUSTOMER.close()
    for one in both:
        await one.close()
    await POOLS.stop()


@pytest.fixture
def database_url(
    postgres: str, emptying: builders.Emptying, lasting: tuple[Database, Database]
) -> str:
    """The URL of the database, emptied for the test."""
    emptying()
    return postgres


@pytest.fixture
async def database(
    database_url: str, lasting: tuple[Database, Database]
) -> AsyncIterator[Database]:
    """The database, with two connections."""
    yield lasting[0]
    await close_if_used(lasting[0])


@pytest.fixture
async def working(database_url: str, lasting: tuple[Database, Database]) -> AsyncIterator[Database]:
    """The database with more connections, for a worker with concurrent jobs."""
    yield lasting[1]
    await close_if_used(lasting[1])


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with run_fake_upstream() as fake:
        yield fake


@pytest.fixture
def dashboard() -> bool:
    """Whether the gateway of a story has a dashboard; packages may override it."""
    return False


@pytest.fixture
async def stripe(
    story: Story,
    database_url: str,
    working: Database,
    tmp_path: Path,
    upstream: FakeUpstream,
    dashboard: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[StripeStory]:
    """A billing story with Stripe, for packages with a `story` fixture."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    where = (database_url, working, tmp_path, upstream.url, dashboard)
    async with run_stripe_story(story, *where) as told:
        yield told


@pytest.fixture
async def paying_service(
    story: Story,
    database_url: str,
    working: Database,
    tmp_path: Path,
    upstream: FakeUpstream,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[PayingService]:
    """A gateway and a worker that take six payment methods, for packages with a `story` fixture."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    where = (database_url, working, tmp_path, upstream.url)
    async with run_paying_service(story, *where) as running:
        yield running


@pytest.fixture
def timing() -> Timing:
    """The intervals of the gateways below; packages may override them."""
    return builders.TIMING


@pytest.fixture
def patience_s() -> float:
    """The timeouts of `gateway`, sufficient for a busy machine; classes whose tests wait for one
    override it."""
    return 3.0


@pytest.fixture
async def gateway(
    database_url: str, tmp_path: Path, upstream: FakeUpstream, timing: Timing, patience_s: float
) -> AsyncIterator[Gateway]:
    """A gateway with the fake model server and short timeouts."""
    configured = builders.impatient(database_url, tmp_path, upstream.url, timing, patience_s)
    async with run_gateway(configured) as running:
        yield running


@pytest.fixture(scope="module")
async def shared_gateway(
    postgres: str,
    emptying: builders.Emptying,
    lasting: tuple[Database, Database],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Gateway]:
    """A gateway for a whole module whose tests neither empty the database nor read other rows."""
    with emptying.keeping():
        async with run_fake_upstream() as fake:
            folder = tmp_path_factory.mktemp("shared")
            configured = builders.impatient(postgres, folder, fake.url, builders.TIMING)
            async with run_gateway(configured) as running:
                yield running


@pytest.fixture
def limited(database_url: str, tmp_path: Path, upstream: FakeUpstream, timing: Timing) -> Limited:
    """Creates a gateway with other account terms and short timeouts."""

    def make(
        terms: AccountLimits,
        clock: Clock | None = None,
        catalog: Catalog = builders.CATALOG,
        **values: Any,
    ) -> AbstractAsyncContextManager[Gateway]:
        values = {"credit_wait_s": 0.3, "timing": timing, **values}
        configured = builders.settings(database_url, tmp_path, upstream.url, **values)
        return run_gateway(configured, clock, terms, catalog)

    return make
