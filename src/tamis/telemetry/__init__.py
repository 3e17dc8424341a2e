"""What Tamis says of itself. Nothing is sent home."""
