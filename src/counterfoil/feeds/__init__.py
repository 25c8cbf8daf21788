"""How status changes reach the mirrors that checks read."""
