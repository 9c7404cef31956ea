"""The tests. A package, so that a test can start one of its modules as a process."""
