//! Cases of expansion.
