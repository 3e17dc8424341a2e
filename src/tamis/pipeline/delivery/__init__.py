"""From the chain to one sink: waiting, batches, attempts, dead letters."""
