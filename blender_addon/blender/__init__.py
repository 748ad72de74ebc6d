"""What any part of the add-on needs of Blender."""
