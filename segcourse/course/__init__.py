"""The lessons as files: find, copy and solve them, and check that a machine is ready for them."""
