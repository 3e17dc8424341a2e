"""From a batch to one that is safe: admission, ids, journal, group commit."""
