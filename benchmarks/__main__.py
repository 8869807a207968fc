"""`make bench`: run every benchmark and print what it measured."""

import os
import platform

from benchmarks import decode_track

if __name__ == "__main__":
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, value in decode_track.run().items():
        print(f"  {name:<44} {value:10.2f}")
