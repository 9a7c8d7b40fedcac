"""Fixtures that several test packages share: a real PostgreSQL, a model server, a gateway."""

import gc
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
from infra.database.migrate import migrate
from infra.timing import Timing
from models.catalog import Catalog
from tests.support import builders
from tests.support.builders import Gateway, Limited, run_gateway
from tests.support.connecting import POOLS, close_if_used
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.serving import APPLICATIONS
from tests.support.stories.story import Story
from tests.support.stories.stripe_story import StripeStory, run_stripe_story

pytest_plugins = (
    "tests.support.engine.plugin",
    "tests.support.levels",
    "tests.support.properties",
)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[Any]:
    """What is imported stays, millions of objects: the garbage collector need not look through them
    again and again while they come, nor after every few tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()
        gc.collect()  # by what is left here, how often to look is reckoned


@pytest.fixture(scope="session", autouse=True)
async def _applications() -> AsyncIterator[None]:
    """Ends the applications that tests were served by."""
    yield
    await APPLICATIONS.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A migrated database of a server that this run started."""
    with tempfile.TemporaryDirectory(prefix="maas-test-") as folder:
        server = start_postgres(Path(folder) / "postgres")
        builders.without_syncing(server.url)
        migrate(server.url)
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
    """For embedded databases. Not below pytest's own folder, which only its owner may enter,
    whereas PostgreSQL started by root runs as another user."""
    with tempfile.TemporaryDirectory(prefix="maas-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def emptying(postgres: str) -> Iterator[builders.Emptying]:
    made = builders.Emptying(postgres)
    yield made
    made.close()


@pytest.fixture(scope="session")
async def lasting(postgres: str) -> AsyncIterator[tuple[Database, Database]]:
    """What `database` and `working` are; gateways keep their connections as long as they do."""
    POOLS.lasting_url = postgres
    both = Database(postgres, pool_size=2), Database(postgres, pool_size=8)
    yield both
    for one in both:
        await one.close()
    await POOLS.stop()


@pytest.fixture
def database_url(
    postgres: str, emptying: builders.Emptying, lasting: tuple[Database, Database]
) -> str:
    """The same database, empty."""
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
    """The same for a worker, which does several things at once."""
    yield lasting[1]
    await close_if_used(lasting[1])


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with run_fake_upstream() as fake:
        yield fake


@pytest.fixture
def dashboard() -> bool:
    """Whether the gateway of a story has pages; a package may say otherwise."""
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
    """A billing story, where a package tells any, with Stripe in it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    where = (database_url, working, tmp_path, upstream.url, dashboard)
    async with run_stripe_story(story, *where) as told:
        yield told


@pytest.fixture
def timing() -> Timing:
    """The intervals of the two gateways below; a package may say otherwise."""
    return builders.TIMING


@pytest.fixture
async def gateway(
    database_url: str, tmp_path: Path, upstream: FakeUpstream, timing: Timing
) -> AsyncIterator[Gateway]:
    """A gateway in front of the model server, with little patience: as much as a busy machine needs
    to answer."""
    configured = builders.impatient(database_url, tmp_path, upstream.url, timing)
    async with run_gateway(configured) as running:
        yield running


@pytest.fixture(scope="module")
async def shared_gateway(
    postgres: str,
    emptying: builders.Emptying,
    lasting: tuple[Database, Database],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Gateway]:
    """The same, for a module of which no test empties the database or looks at what others left."""
    with emptying.keeping():
        async with run_fake_upstream() as fake:
            folder = tmp_path_factory.mktemp("shared")
            configured = builders.impatient(postgres, folder, fake.url, builders.TIMING)
            async with run_gateway(configured) as running:
                yield running


@pytest.fixture
def limited(database_url: str, tmp_path: Path, upstream: FakeUpstream, timing: Timing) -> Limited:
    """Makes a gateway whose account has other terms, and whose patience is short."""

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
