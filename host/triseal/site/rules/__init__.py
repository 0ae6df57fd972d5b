"""The rules of a site: the decisions about trust, grants, releases, seals and guarantees."""
