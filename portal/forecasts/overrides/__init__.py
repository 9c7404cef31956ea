"""What people change of a published forecast, as runs of their own beside the one that they adjust."""
