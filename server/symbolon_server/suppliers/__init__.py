"""Where symbol files come from: directories and symbol servers."""
