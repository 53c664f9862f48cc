//! Tests of the client, against a registry that misbehaves on demand.
