"""The local world for the tests of this folder."""

from tests.support.devnet import *  # noqa: F403
