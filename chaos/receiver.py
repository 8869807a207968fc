"""What befalls the receiver: the real `ingest-foo` with an emulated stick."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import SequenceMatcher
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from chaos.fault import AFTER_S, BEFORE_S, RECOVERY_TIMEOUT_S, Outcome, fault
from chaos.group import SECOND_US, Comparison, Expected, told
from chaos.load import STRAPS
from chaos.stack import Stack
from harness.receiver import Receiver
from harness.waiting import wait_for

CLOCK_STEP_S = 3600
STEPPED_AFTER_S = 10
SECOND_SEED = 4711
WRITTEN_WITHIN_US = 100_000
"""A strap's last packet before the kill may have been on its way to the disk. A strap that goes on tells its beat
again; emulated ones do not."""

NEAR_S = 1.0
"""A moment further off than this is a wrong one: packets wait in the radio and in USB for some hundred ms at most."""


@fault("kill -9 of ingest-foo")
def killed(stack: Stack) -> Outcome:
    """Started again at once, as systemd does."""
    outcome = Outcome("every beat that the stick told, with its interval and its moment")
    with _receiver(stack, "killed", []) as receiver:
        process = receiver.start()
        try:
            _await_beat_after(stack, time.time())
            time.sleep(BEFORE_S)
            since = time.time()
            process.kill()
            process.communicate()
            # Emulated straps begin anew with their stick; told over again, their beats would be nothing new.
            receiver.options += ["--seed", str(SECOND_SEED)]
            process = receiver.start()
            _await_beat_after(stack, since)
            outcome.recovered_s = time.time() - since
            time.sleep(AFTER_S)
        finally:
            _end(process, receiver, outcome)
        _compare(stack, receiver, outcome, killed_us=round(since * SECOND_US))
    return outcome


@fault(f"the receiver's clock set ahead by {CLOCK_STEP_S // 3600} h, and back")
def stepped(stack: Stack) -> Outcome:
    """Its packets' times must not follow."""
    outcome = Outcome("every beat that the stick told, with its interval and its moment")
    steps = [f"clock:{STEPPED_AFTER_S}:{CLOCK_STEP_S}", f"clock:{2 * STEPPED_AFTER_S}:-{CLOCK_STEP_S}"]
    options = [option for step in steps for option in ("--emulate-fault", step)]
    with _receiver(stack, "stepped", options) as receiver:
        process = receiver.start()
        try:
            time.sleep(3 * STEPPED_AFTER_S)
        finally:
            _end(process, receiver, outcome)
        _compare(stack, receiver, outcome)
    return outcome


@contextmanager
def _receiver(stack: Stack, name: str, options: list[str]) -> Iterator[Receiver]:
    with TemporaryDirectory(prefix="beatstream-chaos-receiver-") as folder:
        seed = sum(name.encode())  # straps of its own
        yield Receiver(
            f"chaos-{name}",
            Path(folder) / name,
            ["--emulate", str(STRAPS), "--seed", str(seed), "--url", stack.url, *options],
        )


def _end(process: subprocess.Popen[str], receiver: Receiver, outcome: Outcome) -> None:
    process.terminate()
    code = receiver.await_end(process)
    if code != 0:
        outcome.broken.append(f"ingest-foo ended with {code}: {receiver.said[-1][-300:]}")


def _await_beat_after(stack: Stack, since: float) -> None:
    wait_for(lambda: stack.newest_beat() > since, "a new beat to be seen", RECOVERY_TIMEOUT_S, every_s=0.05)


def _compare(stack: Stack, receiver: Receiver, outcome: Outcome, killed_us: int | None = None) -> None:
    """By strap: what a tracker makes of the sent packets, beside what is stored."""
    stack.await_settled()
    for device, packets in receiver.sent().items():
        stored = [
            Expected(*row)
            for row in stack.rows(
                "SELECT hr_timestamp_seconds, hr_value, rr_interval_ms FROM unified_hr_packet FINAL "
                "WHERE device_id = {device:String} ORDER BY hr_timestamp_seconds",
                device=device,
            )
        ]
        last_us = packets[-1][1]
        if killed_us is not None and killed_us - WRITTEN_WITHIN_US <= last_us <= killed_us:
            found = min(_beside(packets, stored), _beside(packets[:-1], stored), key=attrgetter("differences"))
        else:
            found = _beside(packets, stored)
        outcome.expected += found.expected
        outcome.lost += found.lost
        outcome.doubled += found.doubled
        outcome.wrong += found.wrong


def _beside(packets: list[tuple[str, int]], stored: list[Expected]) -> Comparison:
    """Beats have no names of their own, but hardly two intervals in a row are alike: as texts are compared."""
    expected = [Expected.of(beat) for beat in told((bytes.fromhex(payload), at_us) for payload, at_us in packets)]
    outcome = Comparison(len(expected))
    told_by, found_in = ([(beat.rr_ms, beat.heart_rate) for beat in beats] for beats in (expected, stored))
    matcher = SequenceMatcher(None, told_by, found_in, autojunk=False)
    for operation, first, last, first_stored, last_stored in matcher.get_opcodes():
        ours, theirs = last - first, last_stored - first_stored
        if operation == "equal":
            outcome.wrong += sum(
                abs(beat.at_s - found.at_s) > NEAR_S
                for beat, found in zip(expected[first:last], stored[first_stored:last_stored], strict=True)
            )
        else:
            outcome.wrong += min(ours, theirs)
            outcome.lost += max(0, ours - theirs)
            outcome.doubled += max(0, theirs - ours)
    return outcome
