"""The command `triseal`: parses and prints, nothing else."""
