"""The pages of the site that are made while it is built: one for each optimizer, and the reference."""
