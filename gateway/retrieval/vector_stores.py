"""Vector stores as rows: made, found, changed and erased by the account that they are of.

Owns how many an account may have, when one expires, and that its vectors are of one model.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.errors import BadRequest, ModelNotServed
from gateway.tables import VectorStore
from gateway.upstream.availability import Availability, not_served
from gateway.wire.vector_stores import ExpiresAfter, NewStore, StoreChange
from infra import ids
from infra.clock import Clock
from infra.errors import AppError
from models.catalog import Catalog, Model

PREFIX = "vs"
MOST_STORES = 100


class VectorStoreNotFound(AppError):
    """The account has no such vector store."""

    status = 404
    type = "invalid_request_error"
    code = "vector_store_not_found"


class VectorStoreExpired(BadRequest):
    """Nobody used the store for as long as its owner said."""

    code = "vector_store_expired"


class TooManyVectorStores(BadRequest):
    """The account has as many stores as it may."""

    code = "too_many_vector_stores"


class EmbeddingModelChanged(BadRequest):
    """The store's vectors are of a model, or of a version of one, that is not served any more."""

    status = 409
    code = "embedding_model_changed"


def embedding_of(catalog: Catalog, availability: Availability) -> Model:
    """The served model that makes new stores' vectors. Raises ModelNotServed, ModelNotInstalled."""
    models = [model for model in catalog.models.values() if model.retrieval is not None]
    for model in models:
        if availability.serves(model):
            return model
    if models:
        raise not_served(models[0].id)
    raise ModelNotServed("No embedding model for vector stores is served here.")


def model_of(catalog: Catalog, store: VectorStore) -> Model:
    """The model that made the store's vectors. Raises EmbeddingModelChanged."""
    model = catalog.find(store.embedding_model)
    if model is None or version_of(model) != store.embedding_version:
        raise EmbeddingModelChanged(
            f"The vectors of {ids.show(PREFIX, store.id)!r} were made by another version of "
            f"{store.embedding_model!r}, and those of two cannot be compared. Put its files into "
            "a new store."
        )
    return model


def version_of(model: Model) -> str:
    """What tells the weights apart."""
    return (model.weights.sha256 or model.weights.source)[:64]


async def lock_account(session: AsyncSession, account_id: UUID) -> None:
    """Until the transaction ends, what the account has of these tables is counted by one alone."""
    statement = text("select pg_advisory_xact_lock(hashtextextended(:account, 0))")
    await session.execute(statement, {"account": f"knowledge {account_id}"})


async def create(
    session: AsyncSession, clock: Clock, account_id: UUID, new: NewStore, model: Model
) -> VectorStore:
    """Raises TooManyVectorStores."""
    await lock_account(session, account_id)
    query = select(func.count()).where(col(VectorStore.account_id) == account_id)
    if (await session.execute(query)).scalar_one() >= MOST_STORES:
        raise TooManyVectorStores(
            f"An account has at most {MOST_STORES} vector stores. Delete some first."
        )
    now = clock.now()
    store = VectorStore(
        id=ids.new_id(),
        account_id=account_id,
        name=_clean(new.name or ""),
        labels=_labels(new.metadata),
        embedding_model=model.id,
        embedding_version=version_of(model),
        expires_after_days=_days(new.expires_after),
        created_at=now,
        last_active_at=now,
    )
    session.add(store)
    await session.flush()
    return store


async def find(session: AsyncSession, account_id: UUID, store_id: str) -> VectorStore:
    """One of the account's stores. Raises VectorStoreNotFound."""
    found = ids.parse(PREFIX, store_id)
    query = select(VectorStore).where(
        col(VectorStore.id) == found, col(VectorStore.account_id) == account_id
    )
    store = None if found is None else (await session.scalars(query)).one_or_none()
    if store is None:
        raise VectorStoreNotFound(
            f"The vector store {store_id[:60]!r} does not exist.", param="vector_store_id"
        )
    return store


async def find_usable(
    session: AsyncSession, clock: Clock, account_id: UUID, store_id: str
) -> VectorStore:
    """The same to work with, which makes it used. Raises VectorStoreExpired too."""
    store = await find(session, account_id, store_id)
    if has_expired(store, clock):
        raise VectorStoreExpired(
            f"The vector store {store_id[:60]!r} has expired, and its files are not in it any more."
        )
    store.last_active_at = clock.now()
    await session.flush()
    return store


async def page(
    session: AsyncSession, account_id: UUID, limit: int, ascending: bool, mark: UUID | None
) -> Sequence[VectorStore]:
    """The account's stores by their making, from the mark on."""
    key = col(VectorStore.id)
    query = select(VectorStore).where(col(VectorStore.account_id) == account_id)
    if mark is not None:
        query = query.where(key > mark if ascending else key < mark)
    query = query.order_by(key if ascending else key.desc()).limit(limit)
    return (await session.scalars(query)).all()


async def change(
    session: AsyncSession, clock: Clock, account_id: UUID, store_id: str, wanted: StoreChange
) -> VectorStore:
    """Raises VectorStoreNotFound, VectorStoreExpired."""
    store = await find_usable(session, clock, account_id, store_id)
    if isinstance(wanted.name, str):
        store.name = _clean(wanted.name)
    if isinstance(wanted.metadata, dict):
        store.labels = _labels(wanted.metadata)
    if wanted.expires_after is None or isinstance(wanted.expires_after, ExpiresAfter):
        store.expires_after_days = _days(wanted.expires_after)
    await session.flush()
    return store


async def erase(session: AsyncSession, account_id: UUID, store_id: str) -> None:
    """With all that is in it, but for the files themselves. Raises VectorStoreNotFound."""
    store = await find(session, account_id, store_id)
    await session.execute(
        delete(VectorStore).where(
            col(VectorStore.id) == store.id, col(VectorStore.account_id) == account_id
        )
    )


def has_expired(store: VectorStore, clock: Clock) -> bool:
    days = store.expires_after_days
    return days is not None and store.last_active_at + timedelta(days=days) <= clock.now()


def _days(wanted: ExpiresAfter | None) -> int | None:
    return None if wanted is None else wanted.days


def _labels(given: dict[str, str] | None) -> dict[str, str]:
    return {_clean(name): _clean(value) for name, value in (given or {}).items()}


def _clean(text: str) -> str:
    """PostgreSQL's texts hold no NUL."""
    return text.replace("\x00", "")
