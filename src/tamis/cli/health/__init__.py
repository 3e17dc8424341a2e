"""What `tamis doctor` looks at: one function a check, each giving findings."""
