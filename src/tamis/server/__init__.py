"""The log server: HTTP in front of a store."""
