//! What messages look like.
