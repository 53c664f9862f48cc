//! Fetching against a server on loopback.
