"""What is there now: the parts that a read sees, hot and sealed."""
