"""The real parts run for tests, benchmarks and faults: a stack of its own, a wall, a receiver, a browser."""
