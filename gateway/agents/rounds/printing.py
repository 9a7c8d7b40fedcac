"""Load what the PDF of a round's report needs: names of people, photos, language and time zone."""

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.agents.public_ids import PHOTO
from gateway.agents.rounds.errors import RoundNotFound
from gateway.agents.rounds.loading import photos_of
from gateway.agents.rounds.pdf import ReportSheet
from gateway.agents.rounds.photo_store import read_contents
from gateway.identity.audit_log import PERSON_ID_PREFIX, list_actor_names
from gateway.tables.agents_rounds import AgentRound
from infra import ids

LANGUAGES = ("en", "zh")


async def load_sheet(
    session: AsyncSession, row: AgentRound, language: str | None = None
) -> ReportSheet:
    """Load a report to print, in the language of the account's recipients by default.

    Raises RoundNotFound if the round was not submitted.
    """
    if row.report is None or row.report_sha256 is None:
        raise RoundNotFound("The round was not submitted, so it has no report.", param="round")
    profile = await get_profile(session, row.account_id)
    photos = list(await photos_of(session, row))
    contents = await read_contents(session, row.account_id, photos)
    people = await list_actor_names(session, row.account_id)
    keys = await list_keys(session, row.account_id)
    return ReportSheet(
        report=row.report,
        sha256=row.report_sha256,
        signature=row.report_signature or "",
        people={
            **{ids.format_id(PERSON_ID_PREFIX, one): name for one, name in people.items()},
            **{ids.format_id(KEY_PREFIX, key.id): key.name for key in keys},
        },
        files={ids.format_id(PHOTO, one): content for one, content in contents.items()},
        language=language if language in LANGUAGES else profile.locale,
        zone=parse_time_zone(profile.time_zone),
    )
