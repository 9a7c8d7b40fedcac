"""Pages on own models: the table is checked, its columns confirmed, the job started and shown."""

import hashlib

import httpx
import pytest
from sqlmodel import select

from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from gateway.tables import Adaptation
from infra import ids
from tests.support.builders import CATALOG
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.gateway.trainings import create_rejected, create_variant
from tests.support.models.histories import histories
from tests.support.models.made_up_surfaces import folders, zip_of
from tests.support.models.processes import process
from tests.support.models.series import load_curve
from tests.support.models.tables import csv, machines

PAGE = "/dashboard/models"
BY_ADAPTER = {model.adapter: model.id for model in CATALOG.models.values()}
CLASSIFIER, FORECASTER, LIFE, IMAGES, ANOMALY = (
    BY_ADAPTER[name]
    for name in (
        "tabular_classifier",
        "series_forecaster",
        "series_life",
        "surface_defect",
        "anomaly",
    )
)


class Office:
    """An account whose owner trains models on the pages."""

    def __init__(self, firm: Firm) -> None:
        self.firm = firm
        self.key = f"key_{firm.gateway.key.row.id.hex}"

    async def check(self, content: bytes, **fields: str) -> httpx.Response:
        """Submit the form with a file."""
        values = {"model": CLASSIFIER, "name": "line-3", "key": self.key, **fields}
        return await self.firm.owner.http.post(
            f"{PAGE}/new/check",
            data={"csrf": self.firm.owner.csrf, **values},
            files={"upload": ("line.csv", content)},
        )

    async def stored(self, content: bytes) -> str:
        """Check a file and return its id."""
        text = (await self.check(content)).text
        return text.partition('name="file" value="')[2].partition('"')[0]


@pytest.fixture
def desk(office: Firm) -> Office:
    return Office(office)


def roles(names: list[str], **chosen: str) -> dict[str, str]:
    """The fields of columns, as inputs unless another role is chosen."""
    fields = {}
    for position, name in enumerate(names):
        fields[f"column{position}"] = name
        fields[f"role{position}"] = chosen.get(name, "input")
    return fields


class TestCheckedTable:
    async def test_columns_and_price_are_shown_before_training(self, desk: Office) -> None:
        answer = await desk.check(csv(machines()))
        said = words(answer.text)
        assert answer.status_code == 200
        assert "Result to predict" in said
        assert "320 rows can be used for training." in said
        assert "Maximum cost" in said
        assert "Start training" in said
        assert "No models yet" in await desk.firm.owner.page(PAGE)

    async def test_column_whose_unit_seems_to_change_is_marked(self, desk: Office) -> None:
        rows = [f"{(5 + i % 3) * (1 if i < 40 else 100)},{int(i % 3 == 2)}" for i in range(80)]
        content = "\n".join(["pressure,fault", *rows, ""]).encode()
        said = words((await desk.check(content)).text)
        assert "From row 41 on, values are" in said
        assert "Has the unit changed?" in said

    async def test_problems_of_the_file_are_listed(self, desk: Office) -> None:
        answer = await desk.check(b"a,a\n1,2\n")
        said = words(answer.text)
        assert answer.status_code == 422
        assert "The file has 1 problem." in said
        assert "Two columns have the same name." in said

    async def test_forecast_is_offered_and_its_problems_are_listed(self, desk: Office) -> None:
        page = words(await desk.firm.owner.page(f"{PAGE}/new"))
        assert "A forecast, such as the load of the next days" in page
        curve = load_curve(days=2)
        answer = await desk.check(csv(curve), model=FORECASTER)
        assert answer.status_code == 422
        assert "The series is too short: at least 60 steps" in words(answer.text)
        answer = await desk.check(csv(load_curve()), model=FORECASTER)
        assert "504 rows can be used for training." in words(answer.text)

    async def test_missing_file_is_named(self, desk: Office) -> None:
        answer = await desk.firm.owner.send(
            f"{PAGE}/new/check", model=CLASSIFIER, key=desk.key, file=""
        )
        assert answer.status_code == 422

    async def test_chosen_roles_are_checked_again(self, desk: Office) -> None:
        file = await desk.stored(csv(machines()))
        fields = roles(list(machines()), wear="target", machine="machine")
        answer = await desk.firm.owner.send(
            f"{PAGE}/new/check", model=CLASSIFIER, key=desk.key, file=file, **fields
        )
        assert answer.status_code == 422
        assert "more than 50 different values" in words(answer.text)


class TestImages:
    async def test_folders_are_counted_and_the_training_starts(self, desk: Office) -> None:
        answer = await desk.check(zip_of(folders(6)), model=IMAGES)
        said = words(answer.text)
        assert answer.status_code == 200, said
        assert "18 images can be used for training." in said
        assert "brushed" in said
        assert "Maximum cost" in said
        file = answer.text.partition('name="file" value="')[2].partition('"')[0]
        answer = await desk.firm.owner.send(
            f"{PAGE}/new", model=IMAGES, key=desk.key, file=file, name="camera-2"
        )
        assert answer.status_code == 303, words(answer.text)
        page = words(await desk.firm.owner.page(answer.headers["location"]))
        assert "Images by label: brushed: 6, pitted: 6, rough: 6." in page

    async def test_damaged_images_are_named_by_their_path(self, desk: Office) -> None:
        content = zip_of(folders(6) | {"rough/broken.png": b"no picture"})
        answer = await desk.check(content, model=IMAGES)
        assert answer.status_code == 422
        said = words(answer.text)
        assert "rough/broken.png" in said
        assert "The image is damaged, or of a kind that cannot be read." in said


class TestHistories:
    async def test_histories_are_checked_with_their_cap(self, desk: Office) -> None:
        answer = await desk.check(csv(histories(4)), model=LIFE, cap="30")
        said = words(answer.text)
        assert answer.status_code == 200, said
        assert "Highest remaining life" in said
        file = answer.text.partition('name="file" value="')[2].partition('"')[0]
        fields = roles(list(histories(1)), machine="machine", cycle="time")
        answer = await desk.firm.owner.send(
            f"{PAGE}/new", model=LIFE, key=desk.key, file=file, name="pump", cap="30", **fields
        )
        assert answer.status_code == 303, words(answer.text)
        job = answer.headers["location"].rpartition("/")[2]
        found = (await desk.firm.gateway.http.get(f"/v1/fine_tuning/jobs/{job}")).json()
        assert (found["schema"]["cap"], found["schema"]["target"]) == (30, "")

    async def test_cap_that_is_no_number_is_named(self, desk: Office) -> None:
        file = await desk.stored(csv(machines()))
        fields = roles(list(histories(1)), machine="machine")
        answer = await desk.firm.owner.send(
            f"{PAGE}/new", model=LIFE, key=desk.key, file=file, cap="soon", **fields
        )
        assert answer.status_code == 422


class TestAnomalies:
    async def test_normal_operation_is_checked_with_its_settings(self, desk: Office) -> None:
        table = process(120, fault_rows=20, label=True)
        answer = await desk.check(csv(table), model=ANOMALY)
        said = words(answer.text)
        assert answer.status_code == 200, said
        assert "Share of false alarms" in said
        assert "120 rows can be used for training." in said
        file = answer.text.partition('name="file" value="')[2].partition('"')[0]
        fields = roles(list(table), machine="machine", step="time", state="target")
        answer = await desk.firm.owner.send(
            f"{PAGE}/new", model=ANOMALY, key=desk.key, file=file, name="pump", normal="normal",
            false_alarms="0.005", **fields,
        )  # fmt: skip
        assert answer.status_code == 303, words(answer.text)
        job = answer.headers["location"].rpartition("/")[2]
        found = (await desk.firm.gateway.http.get(f"/v1/fine_tuning/jobs/{job}")).json()
        assert (found["schema"]["false_alarms"], found["schema"]["normal"]) == (0.005, "normal")

    async def test_labels_without_a_normal_one_are_named(self, desk: Office) -> None:
        table = process(120)
        table["fault"] = ["leak", "clog"] * 60
        answer = await desk.check(csv(table), model=ANOMALY)
        assert answer.status_code == 422
        assert "No label says normal operation." in words(answer.text)


class TestTraining:
    async def test_confirmed_schema_starts_the_job(self, desk: Office) -> None:
        file = await desk.stored(csv(machines()))
        fields = roles(list(machines()), failure="target", machine="machine", wear="ignored")
        answer = await desk.firm.owner.send(
            f"{PAGE}/new", model=CLASSIFIER, key=desk.key, file=file, name="line-3", **fields
        )
        assert answer.status_code == 303, words(answer.text)
        job = answer.headers["location"]
        said = words(await desk.firm.owner.page(job))
        assert "The job is queued." in said
        listed = await desk.firm.owner.page(PAGE)
        assert job in listed
        async with desk.firm.gateway.parts.database.transaction() as session:
            entries = await list_account_entries(session, desk.firm.gateway.account.id, limit=50)
        assert "model.trained" in {entry.action for entry in entries}

    async def test_job_can_be_cancelled_once(self, desk: Office) -> None:
        file = await desk.stored(csv(machines()))
        answer = await desk.firm.owner.send(
            f"{PAGE}/new", model=CLASSIFIER, key=desk.key, file=file, name="line-3"
        )
        job = answer.headers["location"]
        statuses = [(await desk.firm.owner.send(f"{job}/cancel")).status_code for _ in range(2)]
        assert statuses[1] == 422

    async def test_job_of_another_account_is_not_found(self, desk: Office) -> None:
        answer = await desk.firm.owner.http.get(f"{PAGE}/jobs/ftjob_{'0' * 32}")
        assert answer.status_code == 404


class TestPermissions:
    async def test_viewer_sees_models_and_cannot_train(self, desk: Office) -> None:
        gateway = desk.firm.gateway
        account_id = gateway.account.id
        async with looker(gateway.url, gateway.parts, account_id, Role.VIEWER) as viewer:
            assert "can train a model" in words(await viewer.page(PAGE))
            answer = await viewer.http.get(f"{PAGE}/new")
            assert answer.status_code == 403


class TestVariantPage:
    async def test_versions_are_shown_chosen_and_rolled_back(self, desk: Office) -> None:
        address = f"{PAGE}/variants/{await create_variant(desk.firm.gateway, 3)}"
        owner = desk.firm.owner
        assert "Roll back to version 2" in words(await owner.page(address))
        assert (await owner.send(f"{address}/rollback")).status_code == 303
        said = words(await owner.page(address))
        assert "3 → 2" in said
        assert "Roll back to version 1" in said
        assert (await owner.send(f"{address}/current", version="1")).status_code == 303
        assert "Li Xuemei" in words(await owner.page(address))
        assert (await owner.send(f"{address}/current", version="9")).status_code == 404

    async def test_comparison_with_the_version_in_use_is_shown(self, desk: Office) -> None:
        gateway = desk.firm.gateway
        name = await create_variant(gateway)
        current = {"current": 0.61, "adapted": 0.87, "improvement": [0.05, 0.41], "examples": 120}
        async with gateway.parts.database.transaction() as session:
            job = (await session.scalars(select(Adaptation))).one()
            job.score = {**(job.score or {}), "current": current}
        shown = words(await desk.firm.owner.page(f"{PAGE}/variants/{name}"))
        assert "1 0.61 0.87 +0.050 to +0.410 120" in shown
        jobs = await desk.firm.owner.page(f"{PAGE}/jobs/{ids.format_id('ftjob', job.id)}")
        assert "+0.050 to +0.410" in jobs

    async def test_deletion_is_shown_with_hashes(self, desk: Office) -> None:
        address = f"{PAGE}/variants/{await create_variant(desk.firm.gateway)}"
        answer = await desk.firm.owner.send(f"{address}/delete", training_files="yes")
        assert answer.status_code == 303, words(answer.text)
        said = words(await desk.firm.owner.page(address))
        assert hashlib.sha256(b"weights").hexdigest() in said
        assert "line.csv" in said
        assert "Delete model" not in said

    async def test_viewer_can_change_nothing(self, desk: Office) -> None:
        gateway = desk.firm.gateway
        address = f"{PAGE}/variants/{await create_variant(gateway, 2)}"
        async with looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER) as viewer:
            assert "Roll back" not in words(await viewer.page(address))
            for action in ("rollback", "current", "delete"):
                assert (await viewer.send(f"{address}/{action}")).status_code == 403


class TestAcceptance:
    async def test_owner_accepts_a_rejected_model_and_is_named(self, desk: Office) -> None:
        job = await self._rejected(desk)
        said = words(await desk.firm.owner.page(job))
        assert "it was rejected. Nothing was billed." in said
        assert "Accept the model anyway" in said
        answer = await desk.firm.owner.send(f"{job}/accept", key=desk.key)
        assert answer.status_code == 303, words(answer.text)
        said = words(await desk.firm.owner.page(job))
        assert "Accepted despite its score" in said
        assert "Li Xuemei" in said
        assert "Accept the model anyway" not in said
        assert (await desk.firm.owner.send(f"{job}/accept", key=desk.key)).status_code == 422

    async def test_viewer_and_other_accounts_cannot_accept(self, desk: Office) -> None:
        job = await self._rejected(desk)
        gateway = desk.firm.gateway
        assert (await desk.firm.stranger.send(f"{job}/accept", key=desk.key)).status_code == 404
        async with looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER) as viewer:
            assert "Accept the model anyway" not in words(await viewer.page(job))
            assert (await viewer.send(f"{job}/accept", key=desk.key)).status_code == 403

    async def _rejected(self, desk: Office) -> str:
        """The address of a job whose model was rejected."""
        return f"{PAGE}/jobs/{await create_rejected(desk.firm.gateway)}"
