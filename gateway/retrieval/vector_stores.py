"""Create, find, list, update and delete an account's vector stores.

All embeddings of a store come from one version of one model; embeddings of two cannot be compared.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.errors import BadRequest, ModelServerNotFound
from gateway.tables import VectorStore
from gateway.upstream.availability import Availability, model_not_served
from gateway.wire.vector_stores import (
    CreateVectorStoreRequest,
    ExpiresAfter,
    UpdateVectorStoreRequest,
)
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of
from infra.errors import AppError
from models.catalog import Catalog, Model

PREFIX = "vs"
MAX_STORES = 100


class VectorStoreNotFound(AppError):
    """The account has no such vector store."""

    status = 404
    type = "invalid_request_error"
    code = "vector_store_not_found"


class VectorStoreExpired(BadRequest):
    """The store was not used for the number of days set by `expires_after`."""

    code = "vector_store_expired"


class TooManyVectorStores(BadRequest):
    """The account has the maximum number of vector stores."""

    code = "too_many_vector_stores"


class EmbeddingModelChanged(BadRequest):
    """The model, or the version of it, that made the store's embeddings is no longer served."""

    status = 409
    code = "embedding_model_changed"


def select_embedding_model(catalog: Catalog, availability: Availability) -> Model:
    """Return the served model that embeds the files of new stores.

    Raises ModelServerNotFound, ModelNotInstalled.
    """
    models = [model for model in catalog.models.values() if model.retrieval is not None]
    for model in models:
        if availability.is_served(model):
            return model
    if models:
        raise model_not_served(models[0].id)
    raise ModelServerNotFound(
        "This deployment serves no embedding model, so vector stores are not available."
    )


def require_store_model(catalog: Catalog, store: VectorStore) -> Model:
    """Return the model that made the store's embeddings. Raises EmbeddingModelChanged."""
    model = catalog.find(store.embedding_model)
    if model is None:
        raise _model_removed(catalog, store)
    if weights_version(model) != store.embedding_version:
        raise EmbeddingModelChanged(
            f"The vectors of {ids.format_id(PREFIX, store.id)!r} were created with "
            f"another version of {store.embedding_model!r} and cannot be compared with "
            "new ones. Add the files to a new vector store."
        )
    return model


def _model_removed(catalog: Catalog, store: VectorStore) -> EmbeddingModelChanged:
    """Return the error for a store whose embedding model the catalog does not have any more."""
    replacement = catalog.retired.get(store.embedding_model)
    advice = "" if replacement is None else f" Use {replacement!r} instead."
    return EmbeddingModelChanged(
        f"The vectors of {ids.format_id(PREFIX, store.id)!r} were made by the model "
        f"{store.embedding_model!r}, which has been removed.{advice} Put the store's files into a "
        "new store."
    )


def weights_version(model: Model) -> str:
    """Return a string that identifies the model's weights."""
    return (model.weights.sha256 or model.weights.source)[:64]


async def lock_account(session: AsyncSession, account_id: UUID) -> None:
    """Serialise changes that count an account's stores, files or chunks, until the commit.

    Without the lock, two concurrent requests could both pass a limit check.
    """
    statement = text("select pg_advisory_xact_lock(hashtextextended(:account, 0))")
    await session.execute(statement, {"account": f"knowledge {account_id}"})


async def create_store(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    request: CreateVectorStoreRequest,
    model: Model,
) -> VectorStore:
    """Create a vector store for the account. Raises TooManyVectorStores."""
    await lock_account(session, account_id)
    query = select(func.count()).where(col(VectorStore.account_id) == account_id)
    if (await session.execute(query)).scalar_one() >= MAX_STORES:
        raise TooManyVectorStores(
            f"An account can have at most {MAX_STORES} vector stores. Delete vector stores first."
        )
    now = clock.now()
    store = VectorStore(
        id=ids.new_id(),
        account_id=account_id,
        name=_strip_nul(request.name or ""),
        labels=_clean_metadata(request.metadata),
        embedding_model=model.id,
        embedding_version=weights_version(model),
        expires_after_days=_expiry_days(request.expires_after),
        created_at=now,
        last_active_at=now,
    )
    session.add(store)
    await session.flush()
    return store


async def find_store(session: AsyncSession, account_id: UUID, store_id: str) -> VectorStore:
    """Return one of the account's stores. Raises VectorStoreNotFound."""
    parsed_id = ids.parse_id(PREFIX, store_id)
    query = select(VectorStore).where(
        col(VectorStore.id) == parsed_id, col(VectorStore.account_id) == account_id
    )
    store = None if parsed_id is None else (await session.scalars(query)).one_or_none()
    if store is None:
        raise VectorStoreNotFound(
            f"The vector store {store_id[:60]!r} does not exist.", param="vector_store_id"
        )
    return store


async def find_active_store(
    session: AsyncSession, clock: Clock, account_id: UUID, store_id: str
) -> VectorStore:
    """Return a store of the account that has not expired, and record that it was used.

    Raises VectorStoreNotFound, VectorStoreExpired.
    """
    store = await find_store(session, account_id, store_id)
    if has_expired(store, clock):
        raise VectorStoreExpired(
            f"The vector store {store_id[:60]!r} has expired and its files were removed. "
            "Create a new vector store."
        )
    store.last_active_at = clock.now()
    await session.flush()
    return store


async def list_stores(
    session: AsyncSession, account_id: UUID, limit: int, ascending: bool, cursor: UUID | None
) -> Sequence[VectorStore]:
    """Return a page of the account's stores after the cursor, newest first unless `ascending`."""
    query = select(VectorStore).where(col(VectorStore.account_id) == account_id)
    page = page_of(query, col(VectorStore.id), limit, cursor, ascending)
    return (await session.scalars(page)).all()


async def update_store(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    store_id: str,
    changes: UpdateVectorStoreRequest,
) -> VectorStore:
    """Update a store's name, metadata or expiry. Raises VectorStoreNotFound, VectorStoreExpired."""
    store = await find_active_store(session, clock, account_id, store_id)
    if isinstance(changes.name, str):
        store.name = _strip_nul(changes.name)
    if isinstance(changes.metadata, dict):
        store.labels = _clean_metadata(changes.metadata)
    if changes.expires_after is None or isinstance(changes.expires_after, ExpiresAfter):
        store.expires_after_days = _expiry_days(changes.expires_after)
    await session.flush()
    return store


async def delete_store(session: AsyncSession, account_id: UUID, store_id: str) -> None:
    """Delete a store with its chunks; the uploaded files are kept. Raises VectorStoreNotFound."""
    store = await find_store(session, account_id, store_id)
    await session.execute(
        delete(VectorStore).where(
            col(VectorStore.id) == store.id, col(VectorStore.account_id) == account_id
        )
    )


def has_expired(store: VectorStore, clock: Clock) -> bool:
    """Return whether the store was unused for the days set by `expires_after`."""
    days = store.expires_after_days
    return days is not None and store.last_active_at + timedelta(days=days) <= clock.now()


def _expiry_days(expires_after: ExpiresAfter | None) -> int | None:
    """Return the days without use after which a store expires, or None if it never does."""
    return None if expires_after is None else expires_after.days


def _clean_metadata(metadata: dict[str, str] | None) -> dict[str, str]:
    """Return the metadata without NUL characters; an empty dictionary for None."""
    return {_strip_nul(name): _strip_nul(value) for name, value in (metadata or {}).items()}


def _strip_nul(text: str) -> str:
    """Return the text without NUL characters, which PostgreSQL does not store."""
    return text.replace("\x00", "")
