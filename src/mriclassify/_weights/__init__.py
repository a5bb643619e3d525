"""A NAME BECOMES A MODEL: registry, cache and checkpoint, three rooms that do not know each other."""
