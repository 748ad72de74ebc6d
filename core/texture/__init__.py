"""The head's texture."""
