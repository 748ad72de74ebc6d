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
LIPS_OUTLINE = LIPS[:20]
#: The lower lip's inner rim, from the right corner to the left one.
INNER_LOWER_LIP = LIPS[21:30]
#: Subject's right brow, then left.
BROWS = (*(70, 63, 105, 66, 107, 46, 53, 52, 65, 55), *(300, 293, 334, 296, 336, 276, 283, 282, 295, 285))
#: Outer corners of the eyes, by the subject's side.
RIGHT_EYE_OUTER = 33
LEFT_EYE_OUTER = 263
#: Outlines of the brows, of the lids up to the crease above the eye, and of where a beard grows.
BROW_OUTLINES = (
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
)
LID_OUTLINES = (
    (33, 247, 30, 29, 27, 28, 56, 190, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 467, 260, 259, 257, 258, 286, 414, 362, 398, 384, 385, 386, 387, 388, 466),
)
BEARD_OUTLINE = (
    *(58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379),
    *(365, 397, 288, 435, 436, 426, 327, 2, 98, 206, 216, 215),
)
#: The face's outline, from the forehead clockwise as one looks at it: it passes before the ears.
FACE_OUTLINE = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
