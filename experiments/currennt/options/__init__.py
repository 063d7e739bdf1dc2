"""CURRENNT's options: their kinds, their table, where they come from, and what they amount to."""
