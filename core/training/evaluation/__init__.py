"""How far reconstructions are from the truth."""
