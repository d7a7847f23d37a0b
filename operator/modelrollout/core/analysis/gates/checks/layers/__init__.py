"""What gates ask of the layers of a model: whether they are measured alike, and what their shares and windows say."""
