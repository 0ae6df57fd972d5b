"""A log that everybody can check: a Merkle tree in tiles, signed checkpoints, and proofs."""
