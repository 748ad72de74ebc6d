"""How far a reconstruction is, by the time that its steps take."""

#: Fraction of the progress that detection is.
DETECTION_FRACTION = 0.1
#: Fraction of the progress that looking at several photos of a person is.
PERSON_FRACTION = 0.15
#: Seconds that the steps take for a face in a 1024-pixel photo on two cores: they share out the progress.
#: What is done beside another step counts nothing.
STEP_SECONDS = {
    "guidance": 0.05,
    "segmentation": 0.0,
    "network": 0.06,
    "surface": 0.15,
    "color": 0.04,
    "landmarks": 0.01,
    "quality": 0.02,
    "head": 1.2,
    "texture": 0.9,
    "hair": 0.3,
}


def step_starts(head: bool, texture: bool, hair: bool) -> dict[str, float]:
    """The progress at which each step of a face begins, in proportion to the time that the steps take.

    Args:
        head: Whether the animation-ready head is made too.
        texture: Whether its texture is painted too.
        hair: Whether its hair is made too.

    Returns:
        Progress in 0..1 by the step's name, for the steps that are taken.
    """
    left_out = {"head": not head, "texture": not texture, "hair": not hair}
    steps = [(name, seconds) for name, seconds in STEP_SECONDS.items() if not left_out.get(name)]
    total = sum(seconds for _, seconds in steps)
    starts, passed = {}, 0.0
    for name, seconds in steps:
        starts[name] = passed / total
        passed += seconds
    return starts
