"""How records reach Beatstream: what they look like, and the sinks that take them. Shared by the scripts."""
