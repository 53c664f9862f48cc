//! Contexts: what is visible, what is read.
