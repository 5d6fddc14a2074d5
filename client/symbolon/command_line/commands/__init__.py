"""The commands of `symbolon`; each module declares its own as `Command`s."""
