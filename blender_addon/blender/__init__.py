"""What any part of the add-on needs of Blender, and of the file system."""
