//! Plans of small files, text in and text out.
