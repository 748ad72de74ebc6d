"""Which folders the wheel is made of; all else about the package stands in pyproject.toml.

The folders keep their names in a checkout; installed, `core` is `photobust`,
`models` the data package `photobust.models`, `blender_addon` (its batch, and what the batch renders with)
`photobust_blender`, `web_app` `photobust_web`. Training runs in a checkout only.
"""

from setuptools import find_packages, setup

#: Installed name -> folder of the checkout.
FOLDERS = {
    "photobust": "core",
    "photobust.models": "models",
    "photobust_blender": "blender_addon",
    "photobust_web": "web_app",
}


def subpackages(name: str) -> list[str]:
    """Installed names of the packages below the one installed as `name`."""
    return [f"{name}.{found}" for found in find_packages(FOLDERS[name], exclude=["training", "training.*"])]


setup(
    package_dir=FOLDERS,
    packages=[*FOLDERS, *subpackages("photobust"), *subpackages("photobust_blender")],
)
