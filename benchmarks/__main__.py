"""`make bench`: run every benchmark and print what it measured. With QUICK=1 within three minutes."""

import os
import platform

from benchmarks import decode_track, ingest, wall

if __name__ == "__main__":
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, value in (decode_track.run() | ingest.run() | wall.run(quick=bool(os.environ.get("QUICK")))).items():
        print(f"  {name:<60} {value:10.2f}", flush=True)
