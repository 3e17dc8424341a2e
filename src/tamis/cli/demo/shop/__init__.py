"""The shop: one module a process, and what they share."""
