"""The terminal: where commands begin, how they end, what they tell."""
