"""Virtual boards: a real MicroPython in a process of its own, as good or as bad as real boards."""
