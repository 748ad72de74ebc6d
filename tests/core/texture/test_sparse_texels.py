"""Values that are mostly zero are kept without the zeros."""

import numpy as np

from core.texture.sparse_texels import SparseTexels


def test_values_come_back_as_they_were():
    values = np.random.default_rng(0).random(1000).astype(np.float32)
    values[values < 0.9] = 0
    kept = SparseTexels.of(values)
    assert kept.dense().dtype == np.float32 and kept.where.nbytes + kept.values.nbytes < values.nbytes / 4
    np.testing.assert_array_equal(kept.dense(), values)
    kept.dense()[:] = 1
    np.testing.assert_array_equal(kept.dense(), values)


def test_there_may_be_nothing():
    assert not SparseTexels.of(np.zeros(7, np.float32)).dense().any()
    assert len(SparseTexels.of(np.zeros(0, np.float32)).dense()) == 0
