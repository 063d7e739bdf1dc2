"""What this machine has, what works on it, and kernels compiled ahead."""
