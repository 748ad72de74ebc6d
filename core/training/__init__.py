"""Training: synthetic pictures from face models, the networks trained on them, and how good they are.

The rooms, each of which imports only from those above it:

* `rasterize`: compiled rasterizer and voxelizer; `paths`: where data lie;
* `face_models`: ICT-FaceKit, MakeHuman, the head template and its registration;
* `synthesis`: pictures of heads of these models;
* `data`: shards of such pictures, and the tensors made of them;
* `fitting`: the lifter, its cascade and the volume network;
* `evaluation`: errors against true heads and a scan;
* `profile`: what finds faces from the side;
* `ablation` and `calibration`: comparisons of networks; the quality report's calibration. Neither imports the
  other.

`scripts/training/pipeline.py` runs all of it in order; docs/training.md says how long each step takes.
"""
