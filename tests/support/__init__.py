"""What several kinds of tests share. A ``conftest.py`` imports the fixtures it offers to its folder: ``from tests.support.devnet import *``."""
