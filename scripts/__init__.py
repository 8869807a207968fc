"""Command-line tools that feed Beatstream."""
