"""The head template: the one topology that everything is expressed in."""
