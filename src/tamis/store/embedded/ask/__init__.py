"""Reading: from a question to an answer, over the parts of a snapshot.

`condition` says which records of a part are meant, `decide` answers that from tallies as far as they go,
`compile` turns the rest into SQL, `scan` runs it; the other modules are one kind of answer each.
"""
