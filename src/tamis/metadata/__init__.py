"""Who may ask, and what is remembered beside the records."""
