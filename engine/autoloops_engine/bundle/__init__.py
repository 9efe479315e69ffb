"""Model bundles: the manifest, reading one safely, writing one, finding the installed ones."""
