"""What `make run` does: a server on a fresh folder, filled with the logs that this machine really has."""
