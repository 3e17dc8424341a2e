"""After a crash or damage: replaying, mending, verifying, upgrading."""
