"""Heart-rate domain: ANT+ pages, beats, people. Pure: no framework, no I/O, the standard library only."""
