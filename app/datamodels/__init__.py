"""Data models: one record of a stream or table a file."""
