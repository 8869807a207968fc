"""Packers of bodies, by Content-Encoding: each makes one whole frame."""

import bz2
import gzip
import lzma
import zlib

import lz4.frame
import zstandard

FRAMES = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
    "lz4": lz4.frame.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
}
