"""Groups frames by module, finds them in pages and assembles the answers."""
