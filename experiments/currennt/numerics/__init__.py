"""What makes CURRENNT's numbers its own: random numbers, order of sequences, initial weights."""
