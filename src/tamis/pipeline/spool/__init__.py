"""What waits for a sink on disk, and survives the process."""
