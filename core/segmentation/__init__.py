"""What each pixel around a head shows: skin, hair, glasses, headwear, clothes, background."""
