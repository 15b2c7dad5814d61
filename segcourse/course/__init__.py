"""The lessons as files: finding, copying and solving them, and checking that a machine is ready for them."""
