"""CPU time and instructions per chunk of a stream, of this gateway's relay and of the bare one."""
