"""Handlers of standard `logging`, each usable alone in `logging.config.dictConfig`."""
