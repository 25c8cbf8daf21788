"""Who follows the feed: known by name where they authenticate, and how far each has come."""
