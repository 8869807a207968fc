from pathlib import Path

from scripts.operate.logs import errors, last_errors

RED, END = "\x1b[38;5;9m\x1b[1m", "\x1b[0m\x1b[0m"
LOG = f"""
{RED}      Streaming{END} Traceback (most recent call last):
{RED}      Streaming{END}   File "app/functions/raw_to_processed.py", line 34, in process
{RED}      Streaming{END}     payload = parse_payload(record.ant_hr_packet)
{RED}      Streaming{END}               ^^^^^^^^^^^^^^^^^^^^^^^
{RED}     DeadLetter{END} Sent message to DLQ raw_ant_hr_packetDeadLetterQueue: ant_hr_packet: 'zz' is not hexadecimal
{RED}      Streaming{END} app.heartrate.pages.InvalidPayload: ant_hr_packet: 'zz' is not hexadecimal
\x1b[38;5;14m\x1b[1m           [DB]{END} 1 row(s) successfully written to DB table (strap_assignment)
{RED}       Function{END} Function Error: the broker refused a message
{RED}       Function{END} Function Error: the broker refused a message
2026-11-25 ERROR sync: Connection refused
thread 'main' panicked at src/main.rs:1
""".lstrip()


def test_errors_are_told_once_and_without_what_made_dead_letters() -> None:
    assert errors(LOG) == [
        "Function Error: the broker refused a message",
        "2026-11-25 ERROR sync: Connection refused",
        "thread 'main' panicked at src/main.rs:1",
    ]


def test_logs_that_are_not_here_have_no_errors(tmp_path: Path) -> None:
    assert last_errors(tmp_path / "none") == []
    (tmp_path / "moose.log").write_bytes(LOG.encode() + b"\xff\xfe")
    assert [error.file for error in last_errors(tmp_path)] == ["moose.log"] * 3
