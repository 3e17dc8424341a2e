"""The one door to files: atomic whole files, the journal, the folder lock, free space."""
