"""A ClickHouse server for development and tests: ClickHouse's HTTP protocol over chDB, the engine as a library.

Loopback only, one node, no replication. It behaves as `clickhouse server --config-file=…`, which is how Moose starts
one.
"""
