from accel_opt_reuse import SelfAttentionReuse

from accel_opt.testing import AcceleratorContract


class TestReuse(AcceleratorContract):
    accelerator = SelfAttentionReuse()
    invalid = ({"reuse_every": 1},)
