"""The views of a site for people: an overview, one placement, the state of a rollout."""
