"""The periodic job of stored readings: delete expired ones, then merge buffered ones."""

from gateway.plant.readings.codec import BlockDamaged
from gateway.plant.readings.storage.compaction import UnmergedHours, compact
from gateway.plant.readings.storage.retention import RetentionDefaults, maintain_partitions
from infra.clock import Clock
from infra.database.database import Database


class ReadingUpkeep:
    """The job that compresses readings of plant points and deletes expired ones.

    It remembers which hours it could not merge. Create one per process.
    """

    def __init__(self, database: Database, clock: Clock, defaults: RetentionDefaults) -> None:
        self._database = database
        self._clock = clock
        self._defaults = defaults
        self._unmerged = UnmergedHours()

    async def __call__(self) -> None:
        """Do what is due.

        Raises BlockDamaged at the end if there were hours that could not be merged, so that
        operators see a failed job. Until these are tried again, later runs do not fail.
        """
        await maintain_partitions(self._database, self._clock, self._defaults)
        before = self._unmerged.found
        await compact(self._database, self._clock, self._unmerged)
        if failed := self._unmerged.found - before:
            raise BlockDamaged(f"{failed} hours of readings could not be merged; the log names one")
