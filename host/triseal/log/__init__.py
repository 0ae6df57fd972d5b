"""A log that nobody has to believe: a Merkle tree in tiles, signed checkpoints, and proofs."""
