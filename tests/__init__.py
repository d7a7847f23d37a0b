"""Tests and the lab of real components they run on; a package, so that no installed distribution's `tests` shadows it."""
