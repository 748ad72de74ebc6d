"""What the profile network learns from: heads seen from the side; its training and evaluation."""
