"""What keeps going when something around it fails: the circuit breaker, and trying again."""
