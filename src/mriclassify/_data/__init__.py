"""PIXELS BECOME BATCHES: records, splits, preprocessing, augmentation, loading."""
