"""ANT USB sticks: found, opened, listened to, and brought back when they fail."""
