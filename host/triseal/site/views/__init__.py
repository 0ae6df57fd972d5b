"""What a person asks a site: an overview, one placement, the state of a rollout."""
