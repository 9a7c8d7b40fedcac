"""How far an adaptation is, and whether anything more comes of it."""

from gateway.tables import AdaptationStatus


def test_a_job_is_over_unless_it_waits_or_runs() -> None:
    over = {status for status in AdaptationStatus if status.over}
    assert {"queued", "running"} == set(AdaptationStatus) - over
    assert over == {"succeeded", "failed", "cancelled"}
