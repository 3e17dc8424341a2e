"""How answers look: for people on a terminal, for programs in a pipe."""
