"""From a question to its answer: its turn, its repeats, the one path to the store, and what answers look like."""
