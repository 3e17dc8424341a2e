"""From files to a target: find them, cut them into blocks of whole records, send each block once."""
