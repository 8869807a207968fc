"""ANT+ USB stick (and Bluetooth straps) to the ingest API: started once and forgotten."""
