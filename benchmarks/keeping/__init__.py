"""How fast what keeps Tamis working and whole is: a module a part, each with `measure(work: Path) -> list[Goal]`.

A part's docstring says how it measures: it becomes its paragraph on the page. Its yardstick is measured in the same
run, and it is done in under a minute.
"""
