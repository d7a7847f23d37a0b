"""Tests and the lab of real components they run on; a package, so that no installed `tests` shadows it."""
