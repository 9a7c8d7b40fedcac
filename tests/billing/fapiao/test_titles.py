"""Stored buyer titles: default, removal, limits and tenant isolation."""

import pytest

from billing.fapiao.errors import FapiaoTitleInvalid, FapiaoTitleNotFound
from billing.fapiao.title_fields import TitleFields
from billing.fapiao.titles import (
    MAX_TITLES,
    get_title,
    list_titles,
    remove_title,
    set_default_title,
    title_fields,
)
from infra import ids
from tests.support.billing.fapiao_steps import TITLE, add_title
from tests.support.stories.story import Story


async def test_first_title_is_the_default_until_another_is_chosen(story: Story) -> None:
    firm = await story.firm()
    first = await add_title(firm)
    second = await add_title(firm, TitleFields("Second"))
    third = await add_title(firm, TitleFields("Third"), is_default=True)
    account_id = firm.account.id
    async with story.database.transaction() as session:
        names = [one.name for one in await list_titles(session, account_id)]
        assert names == ["Third", TITLE.name, "Second"]
        assert (await get_title(session, account_id, None)).id == third.id
        await set_default_title(session, account_id, second.id)
    async with story.database.transaction() as session:
        assert (await get_title(session, account_id, None)).id == second.id
        assert title_fields(await get_title(session, account_id, first.id)) == TITLE


async def test_removed_default_is_followed_by_the_oldest_title(story: Story) -> None:
    firm = await story.firm()
    first, second = await add_title(firm), await add_title(firm, TitleFields("Second"))
    account_id = firm.account.id
    async with story.database.transaction() as session:
        await remove_title(session, story.clock, account_id, first.id)
        assert [one.id for one in await list_titles(session, account_id)] == [second.id]
        assert (await get_title(session, account_id, None)).id == second.id
        await remove_title(session, story.clock, account_id, second.id)
        with pytest.raises(FapiaoTitleNotFound, match="Add one first"):
            await get_title(session, account_id, None)


async def test_title_of_another_account_is_not_found(story: Story) -> None:
    title, other = await add_title(await story.firm()), await story.firm("Other")
    async with story.database.transaction() as session:
        for title_id in (title.id, ids.new_id()):
            with pytest.raises(FapiaoTitleNotFound):
                await get_title(session, other.account.id, title_id)


async def test_account_has_a_limited_number_of_titles(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_TITLES == 50
    monkeypatch.setattr("billing.fapiao.titles.MAX_TITLES", 1)
    firm = await story.firm()
    await add_title(firm)
    with pytest.raises(FapiaoTitleInvalid, match="at most 1"):
        await add_title(firm)
