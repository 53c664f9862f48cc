//! The Dockerfile language: text in, syntax tree and diagnostics out.
