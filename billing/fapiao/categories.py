"""Service categories (19-digit tax codes) of products, set by the operator; `*` is the default.

A product is a model, or the kind of a line without one: `fixed_fee`, `outcome`, `minimum`.
"""

import re
from collections.abc import Mapping

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.fapiao.errors import FapiaoCategoryInvalid
from billing.fapiao.layout import load_layout
from billing.fapiao.lines import ANY_PRODUCT, Category
from billing.tables import FapiaoCategory

_CODE = re.compile(r"[1-9]\d{18}", re.ASCII)
_MAX_LENGTH = 100


async def load_categories(session: AsyncSession) -> Mapping[str, Category]:
    """Return the category of each product that has one, and that of `*`."""
    rows = (await session.scalars(select(FapiaoCategory))).all()
    return {
        ANY_PRODUCT: load_layout().default_category,
        **{row.product: Category(row.code, row.item) for row in rows},
    }


async def set_category(session: AsyncSession, product: str, category: Category) -> None:
    """Set the category of a product, for fapiao that are requested from now on.

    Raises FapiaoCategoryInvalid.
    """
    if _CODE.fullmatch(category.code) is None:
        raise FapiaoCategoryInvalid("The tax code must have 19 digits.", param="code")
    for name, text in (("product", product), ("item", category.item)):
        if not 0 < len(text) <= _MAX_LENGTH or not text.isprintable():
            raise FapiaoCategoryInvalid(
                f"`{name}` must have 1 to {_MAX_LENGTH} printable characters.", param=name
            )
    values = {"code": category.code, "item": category.item}
    await session.execute(
        insert(FapiaoCategory)
        .values(product=product, **values)
        .on_conflict_do_update(index_elements=["product"], set_=values)
    )


async def remove_category(session: AsyncSession, product: str) -> None:
    """Let the default apply to a product again; for `*`, the built-in default."""
    await session.execute(delete(FapiaoCategory).where(col(FapiaoCategory.product) == product))
