"""The seeded generator of the demo model's training text."""
