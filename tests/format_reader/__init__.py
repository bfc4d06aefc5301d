"""A reader of steplog stores, written from FORMAT.md alone: it shows that the page says all that a reader needs."""
