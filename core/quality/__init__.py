"""How far to trust a head."""
