"""What a site decides: trust, grants, versions, and when a change is guaranteed."""
