"""Tamis: a fine sieve for logs."""
