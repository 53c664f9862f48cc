//! Cases of ignore files.
