"""The developer: it has a key and a name, and signs services into packages."""
