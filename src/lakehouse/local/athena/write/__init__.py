"""Tables that statements make and change: files first, then the one step that lets everybody see them."""
