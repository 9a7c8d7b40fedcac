"""Steps of a tick: specialists and mechanisms that raise, and language models that write."""
