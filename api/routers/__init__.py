"""One file per noun. A handler reads typed inputs, makes one call into `nas`, and encodes what it gets."""
