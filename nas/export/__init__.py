"""Winners that leave: the bundle, and what it carries."""
