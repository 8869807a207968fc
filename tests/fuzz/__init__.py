"""Arbitrary bytes for everything that reads bytes from outside, guided by what they reach (atheris, libFuzzer)."""
