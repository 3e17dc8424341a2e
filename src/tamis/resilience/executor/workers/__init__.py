"""What does a task's work for a thread of an executor, one kind a file; `base.Worker` is the contract."""
