"""The vocabulary: what a record is, and what is the same for every part that touches one."""
