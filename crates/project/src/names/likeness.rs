//! When one name looks like another: by other punctuation, or by a slip of the keyboard.

/// A name without what people write in different ways.
pub fn loose(name: &str) -> String {
    name.chars()
        .filter(|character| !matches!(character, '-' | '_' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether two names differ as a slip of the keyboard does, and not as versions do (`python`, `python3`).
pub fn is_slip(one: &str, other: &str) -> bool {
    let letters =
        |name: &str| name.chars().filter(|character| !character.is_ascii_digit()).collect::<String>();
    one.len() >= 6 && other.len() >= 6 && letters(one) != letters(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike() {
        assert_eq!(loose("Tool-base_1.0"), loose("toolbase10"));
        assert!(is_slip("airflow", "airflwo") && !is_slip("python", "python3") && !is_slip("base", "bsae"));
    }
}
