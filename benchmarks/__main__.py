"""`make bench`: run every benchmark and print what it measured."""

import os
import platform

from benchmarks import decode_track, ingest

if __name__ == "__main__":
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, value in (decode_track.run() | ingest.run()).items():
        print(f"  {name:<52} {value:10.2f}")
