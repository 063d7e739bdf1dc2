"""CURRENNT 0.2 as a drop-in: its options, data, networks, autosaves and outputs."""
