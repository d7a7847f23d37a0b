"""The forms a route comes in, one for each kind of object and protocol: what should stand there, and its digest."""
