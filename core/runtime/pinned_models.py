"""SHA-256 of the project's models. Made by scripts/build/pin_models.py: do not edit."""

PINNED_MODELS = {
    "albedo_model.npz": "fe2eb6503f45108b546d14e615c45604970c2c661f08f0008ca380cc3f02630e",
    "face_descriptor.npz": "fa25e492d23a019bd956072a67b5c5edb48f304b874db88dfa4c080fac1162f6",
    "face_features.onnx": "12eaa4aa5ca195a1d5599b60f997ecf85828f3d4b938c649b5808724d1c9141b",
    "face_features.safetensors": "196d05f905090ae15b844c3a8dcb28336ea5a835dddfcbf73ed2df40a7067aa2",
    "face_landmarker.task": "5bce6beeef74cfa5b320451e12b4d2eb9a2a7867c08d8e4d583ddc21aa9519a0",
    "face_landmarker_full_range.task": "37869787f2d92197431e9d1e86dc20f7117b75dda466f020ac7a3159c5245473",
    "face_shading.npz": "3651bfb515e2bd9ab58c5d02bc7c0400d8804f5aeba76f3603bfa762932fc9a1",
    "face_shape_model.npz": "a9f5c447919e312131705a39468e8f0052d5f1d0361452bcde729a02f58b3092",
    "head_lods.npz": "69a5238baa42d1274e39f918d6ea27bf219bd6b911e2b4ed973ba6c9e26e4ac7",
    "head_rig.npz": "e0b7c825e0e44f9184e36359b27bae79c410435e4a5057e1c47cec864320fd7a",
    "head_sliders.npz": "3aaebba3d9115cc2ca326dc246a36100476bfdb3f8590cd3f64c45b69238ab1d",
    "head_template.npz": "f8ad342bf264ceab69de16271414633b2461988f0a56d323310a2e41cf2e3138",
    "landmark_lifter.safetensors": "33652958e460733714fb235b15439492fac924ddcb3671ea40ac9d795e499aba",
    "landmark_symmetry.npz": "a549375f5c329d37630a2b87462c589d35c439ba55421068fffbfd1132aa627d",
    "quality_calibration.json": "6282378ea8a5043d44f18cd4e4deffb7a0e584cbb0a6727abcfc549d02b0017c",
    "segmentation_network.onnx": "4793ff6977857195004043b791fa38077751e4f0416488e26c1d7b2cbe53964b",
    "segmentation_network.safetensors": "6943a3b719e43f39ad8456f714e1b3e23b118b43f6bd3228e02b526c26cd6eb3",
    "volume_network.onnx": "f4b3ab04e4ad86ff6da6d68f946af8bda2256987871056a2c45ff00fbf35e516",
    "volume_network.safetensors": "1f8f67f8425a599442292488185c32535551208f3b71327310210a78f32195a6",
}
