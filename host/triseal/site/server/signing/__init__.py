"""The signing pipeline: it answers nodes, and records each answer before it is sent."""
