//! Errors with their causes, for everybody here who puts one into words.

use std::error::Error;

/// An error and its causes.
pub fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// An error and its causes. What one repeats of the one before it is said once.
pub fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = causes(error).map(ToString::to_string).collect();
    said.dedup();
    said.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str, #[source] Option<Box<Said>>);

    #[test]
    fn causes_follow_and_repetitions_do_not() {
        let deep = Said("closed", Some(Box::new(Said("closed", Some(Box::new(Said("reset", None)))))));
        let error = Said("cannot read", Some(Box::new(deep)));
        assert_eq!(causes(&error).count(), 4);
        assert_eq!(in_one_line(&error), "cannot read: closed: reset");
    }
}
