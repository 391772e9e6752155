"""The laptop: an AWS endpoint on a loopback port, and the executors behind it."""
