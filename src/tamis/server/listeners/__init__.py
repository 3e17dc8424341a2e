"""Listeners that carry no token: syslog, GELF and the journal, each on a port of its own."""
