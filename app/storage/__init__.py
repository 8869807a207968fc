"""Reads of what was stored before: a strap's history and who wears what."""
