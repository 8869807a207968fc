"""The Moose app: what Moose provisions and runs."""
