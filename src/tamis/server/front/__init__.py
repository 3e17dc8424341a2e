"""What every request passes before a route: sockets, limits, who asks, from where, how often."""
