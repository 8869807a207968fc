"""The local stack: a ClickHouse server over chDB, and the launcher that owns every process."""
