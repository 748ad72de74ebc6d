"""Building of the head template from MakeHuman's base mesh."""
