"""Mechanisms that keep bytes, and show when somebody else did not."""
