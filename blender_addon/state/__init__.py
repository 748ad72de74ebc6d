"""What the add-on keeps: session, settings, preferences, properties."""
