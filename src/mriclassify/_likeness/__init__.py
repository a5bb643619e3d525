"""SLICES ARE KNOWN AGAIN: perceptual hashes, the provenance table, near-duplicates, and a cache of what was seen."""
