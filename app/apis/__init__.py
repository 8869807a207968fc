"""Consumption APIs: one endpoint a file."""
