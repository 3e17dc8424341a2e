"""From `log()` to delivered: processors, the dispatcher, delivery to each sink, the spool."""
