"""Copies of a server: made while it runs, only what is new, encrypted, verified; and brought back."""
