"""Where records stay and are found again."""
