"""What `tamis demo` is made of: a server, a shop of real processes, faults on a schedule, a picture of it all."""
