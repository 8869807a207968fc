"""What stands between the sources and the spool."""

from scripts.ingest_foo.service import Intake


def test_a_packet_that_cannot_be_kept_ends_nothing() -> None:
    lines: list[str] = []
    kept: list[int] = []
    intake = Intake(lines.append)

    def keep(number: int) -> None:
        if number in (1, 2):
            raise OSError(5, "Input/output error")
        kept.append(number)

    take = intake.into(keep)
    intake.start()
    for number in range(5):
        take(number)
    intake.finish()
    assert kept == [0, 3, 4]
    assert lines == ["a packet could not be kept: OSError(5, 'Input/output error')"], "said once"
