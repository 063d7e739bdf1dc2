"""Jobs: pure functions with a name made from their inputs, and what does those that are left."""
