"""`make bench`: run every benchmark and print what it measured. With QUICK=1 within three minutes."""

import os
import platform
from functools import partial

from benchmarks import decode_track, ingest, pipeline, wall

if __name__ == "__main__":
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    quick = bool(os.environ.get("QUICK"))
    for part in (
        decode_track.run,
        ingest.run,
        partial(pipeline.run, quick=quick),
        partial(wall.run, quick=quick),
    ):
        for name, value in part().items():
            print(f"  {name:<60} {value:10.2f}", flush=True)
