"""Code for boards: compiled, staged, packed into ROMFS images or frozen into firmware."""
