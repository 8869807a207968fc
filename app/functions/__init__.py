"""Streaming functions: thin; the thinking is in app.heartrate."""
