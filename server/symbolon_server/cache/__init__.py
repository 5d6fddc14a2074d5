"""What the two Redis servers and this process remember: pages and failures."""
