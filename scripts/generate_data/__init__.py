"""Synthetic straps, and replay of recordings: records for the ingest API."""
