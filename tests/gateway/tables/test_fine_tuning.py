"""Status of a fine-tuning job."""

from gateway.tables import AdaptationStatus


def test_only_queued_and_running_job_statuses_are_not_final() -> None:
    over = {status for status in AdaptationStatus if status.over}
    assert {"queued", "running"} == set(AdaptationStatus) - over
    assert over == {"succeeded", "failed", "cancelled"}
