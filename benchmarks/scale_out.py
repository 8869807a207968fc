"""Straps divided among workers (BEATSTREAM_SHARDS): throughput with 1, 2 and 4, and each strap's beats in order.

Reference: one shard, in the same run. On a machine whose cores one shard fills already more shards cannot be faster;
what a packet costs each process (`pipeline`) tells where they help.
"""

from benchmarks.pipeline import FULL_S, Load, lost_and_doubled, through, told_on_topic, training
from benchmarks.stack import running
from harness.beatstream import Beatstream

SHARDS = (1, 2, 4)


def run() -> dict[str, float]:
    """Packets a second by number of shards; heartbeats lost or doubled, straps in disorder."""
    load = training(FULL_S)
    figures: dict[str, float] = {}
    for shards in SHARDS:
        with running(shards=shards) as stack:
            taken = through(stack, load)
            lost, doubled = lost_and_doubled(stack, load)
            what = f"scale-out: {shards} shards"
            figures |= {
                f"{what}, packets/s": len(load.packets) / taken.seconds,
                f"{what}, processor time of all raw_to_processed, us a packet": 1_000_000
                * sum(spent for name, spent in taken.processor_s.items() if name.endswith("-> processed_ant_hr_packet"))
                / len(load.packets),
                f"{what}, heartbeats lost": float(lost),
                f"{what}, heartbeats doubled": float(doubled),
                f"{what}, straps whose beats are not in order": float(_in_disorder(stack, load)),
            }
    for shards in SHARDS[1:]:
        rates = [figures[f"scale-out: {count} shards, packets/s"] for count in (shards, 1)]
        figures[f"scale-out: {shards} shards, ratio to 1"] = rates[0] / rates[1]
    return figures


def _in_disorder(stack: Beatstream, load: Load) -> int:
    """Straps whose beats stand on the topic in another order than they are to be told, or are others."""
    stand = told_on_topic(stack, load)
    return sum(stand[device] != told for device, told in load.told.items())
