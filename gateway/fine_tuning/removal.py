"""Have the model servers delete their copies of a deleted fine-tuned model, and record it."""

from gateway.fine_tuning.deletion import DeletedModel, record_answers
from gateway.upstream.load_balancer import Router
from gateway.upstream.variant_loader import VariantLoader
from infra.database.database import Database
from models.catalog import Catalog


class VariantRemoval:
    """Removes deleted variants from the model servers, for one gateway process."""

    def __init__(
        self, catalog: Catalog, router: Router, loader: VariantLoader, database: Database
    ) -> None:
        self._catalog = catalog
        self._router = router
        self._loader = loader
        self._database = database

    async def remove(self, deleted: DeletedModel) -> None:
        """Ask each server of the base model to delete its copies, and record the answers."""
        model = self._catalog.find(deleted.base)
        if model is None:  # no server has it any more
            return
        servers = self._router.server_urls(deleted.base)
        confirmed = await self._loader.unload(servers, model, deleted.version_ids)
        record = deleted.record
        async with self._database.transaction() as session:
            await record_answers(session, record.account_id, record.id, len(servers), confirmed)
