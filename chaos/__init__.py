"""`make chaos`: faults under a load whose heartbeats are known, compared beat for beat."""
