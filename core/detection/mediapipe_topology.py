"""Which of MediaPipe's 478 landmarks is where on the face (its canonical face model's numbering)."""

#: Landmarks of one face: 468 of the mesh, then five of each iris.
LANDMARK_COUNT = 478
#: First landmark of the irises: five of the subject's right one, then five of the left one.
FIRST_IRIS = 468
#: Landmarks at the irises' centers, by the subject's side.
IRIS_CENTERS = {"left": 473, "right": 468}
#: The tip of the nose.
NOSE_TIP = 1
#: The middle of the hairline, and of the chin: upper and lower end of the face.
FOREHEAD = 10
CHIN = 152
#: Rims of the lids, subject's right eye, then left.
EYES = (
    *(33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    *(263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
#: The lips' outer rim, then their inner one.
LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
#: Subject's right brow, then left.
BROWS = (*(70, 63, 105, 66, 107, 46, 53, 52, 65, 55), *(300, 293, 334, 296, 336, 276, 283, 282, 295, 285))
#: Outer corners of the eyes, by the subject's side.
RIGHT_EYE_OUTER = 33
LEFT_EYE_OUTER = 263
