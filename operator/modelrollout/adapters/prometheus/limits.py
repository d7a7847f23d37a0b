"""How much one answer may be. Whoever asks for more is refused, and asks for a shorter time.

64 layers of two versions are 3,722 series where everything is asked for (28 a layer and 69 a model, docs/metrics.md).
Scraped every 15 s from one pod each, an hour of them is 893,000 samples, 22 MiB of JSON and its labels: four answers of
15 minutes, 6.9 MiB each; the five minutes that every evaluation reads again are 3.3 MiB. More pods, a shorter scrape
interval or longer labels make it more answers, not less evidence.
"""

MAX_BYTES = 8 * 2**20
"""Of one answer, decompressed."""
MAX_SERIES = 10_000
MAX_SAMPLES = 320_000
"""Of one answer; a sample is about 25 bytes of JSON, so this many fill an answer of the largest size."""
MAX_COMMAS = 4 * MAX_SAMPLES
"""Everything that an answer can make in memory stands behind a comma or a bracket."""
MOST_HELD = 24 * 2**20
"""Bytes of one answer, what was received and what was read out of it, by the prices below."""
MOST_MEMORY = 32 * 2**20
"""Bytes that one answer really takes at most while it is read; a test holds it to this."""
SMALL = 256 * 2**10
"""Bytes of an answer that waits for no other and needs no room: a small answer is never refused nor delayed."""
SAMPLE, SERIES, LABEL = 16, 700, 70
"""Bytes in memory of one sample, around one series, and around one label that no series of the answer had before."""
