"""Mending a store: what is damaged or missing comes from other places, or is made anew from what is there."""
