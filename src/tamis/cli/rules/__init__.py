"""``tamis rules``: alert rules of a server."""
