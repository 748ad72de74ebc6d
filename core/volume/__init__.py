"""The volume network: guidance in, occupancy out."""
