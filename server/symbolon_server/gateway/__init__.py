"""The HTTP gateway: Tecken's and Eliot's API and a page for people, answered by way of gRPC."""
