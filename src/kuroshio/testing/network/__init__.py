"""The simulated network of nodes: virtual time, faults, checkers; and attacks on what is released."""
