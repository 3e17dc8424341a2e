"""Upkeep: sealing, merging, expiry, erasing."""
