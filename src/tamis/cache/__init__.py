"""Answers kept for a while: memory first, slower levels below it."""
