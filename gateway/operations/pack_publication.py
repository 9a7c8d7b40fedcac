"""What publishing a pack file would do: the pack, and the offer that it replaces."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.prepaid.pack_offers import OfferedPack, PackOffer, list_all_packs, pack_of_offer
from billing.prepaid.views import pack_json
from billing.tables import Pack


@dataclass(frozen=True, slots=True)
class PackPublication:
    """The pack as it would be offered, and the present offer of its name and currency, if any.

    `is_new` is False if the present offer has the same content: then nothing changes.
    """

    pack: OfferedPack
    replaced: OfferedPack | None
    is_new: bool


async def preview_offer(session: AsyncSession, now: datetime, offer: PackOffer) -> PackPublication:
    """Return what publishing an offer would do; reads only."""
    proposed = OfferedPack(pack_of_offer(offer, now), offer.terms)
    present = next(
        (
            one
            for one in await list_all_packs(session)
            if one.pack.withdrawn_at is None
            and (one.pack.name, one.pack.currency) == (offer.name, offer.terms.currency)
        ),
        None,
    )
    is_new = present is None or pack_json(present) != pack_json(proposed)
    return PackPublication(proposed, present, is_new)


def pack_publication_json(publication: PackPublication) -> dict[str, Any]:
    """Return a publication as JSON."""
    replaced = publication.replaced
    return {
        "object": "pack.publication",
        "pack": pack_json(publication.pack),
        "changes_offer": publication.is_new,
        "replaces": None if replaced is None else pack_json(replaced),
    }


def offer_json(pack: Pack, offer: PackOffer) -> dict[str, Any]:
    """Return a published pack as JSON."""
    return pack_json(OfferedPack(pack, offer.terms))
