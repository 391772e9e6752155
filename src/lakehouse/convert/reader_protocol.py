"""How a process and its reading process talk: commands one way, frames the other, and the file's bytes beside them.

Commands are JSON, one a line, on the reading process's standard input. Frames come from its standard output. Where the
reading process cannot open the file itself, it asks for ranges of bytes over a socket; the answer is its own length
(or ``REFUSED``) and the bytes.
"""

from __future__ import annotations

import struct

# Kind; the rows of the file before a batch, else 0; bytes that follow.
FRAME = struct.Struct("<cqQ")

READY = b"r"  # once, after the imports
PLACE = b"p"  # text: what is being read now
SCHEMA = b"s"  # an Arrow schema, before FACTS
FACTS = b"f"  # JSON: rows, and rows and bytes of every row group
BATCH = b"b"  # the next piece of an Arrow IPC stream: one batch, and the schema before the first
DONE = b"d"  # the command was carried out
ERROR = b"e"  # JSON: name of the error's class, and its message

# Name under which ERROR tells that memory ran out, no class of ours because the parent may try again; the message is
# how many rows were read at once. Where C++ code ran out of it and nobody caught that, this is said on standard error.
OUT_OF_MEMORY = "OutOfMemory"
SAID_OUT_OF_MEMORY = "std::bad_alloc"

# Offset and length of a range; ``END`` as the offset: no more will be asked.
RANGE = struct.Struct("<qq")
END = -1
ANSWER = struct.Struct("<q")
REFUSED = -1
