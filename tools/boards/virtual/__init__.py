"""Virtual boards: MicroPython in a process of its own, as good or as bad as real ones."""
