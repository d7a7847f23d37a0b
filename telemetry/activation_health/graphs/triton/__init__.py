"""What Triton serves of an instrumented model: its repository, and the models that run there with numpy alone."""
