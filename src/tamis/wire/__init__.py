"""Other people's formats, to columns of records and back."""
