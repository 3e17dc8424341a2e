"""What `make own-logs` does: a server on a fresh folder, filled with the logs that this machine really has."""
