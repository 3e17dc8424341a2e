"""Tamis inside an application: manager, loggers, handlers of standard `logging`, frameworks."""
