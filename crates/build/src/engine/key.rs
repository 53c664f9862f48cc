//! The key of a step: the digest of everything that may change its result.
//!
//! The parts are kept by name in the step's record, so that `explain` can say which one changed.

use std::collections::BTreeMap;

use oci::Digest;
use oci::layer::{Action, RULES, Rule, Rules};
use oci::record::Key;
use sha2::{Digest as _, Sha256};

/// Changes whenever the meaning of a part changes, so that an old store never answers for a new engine.
const GENERATION: &str = "kapok step 2";

/// Values longer than this are kept as their digest: a record is read by people.
const LONGEST_VALUE: usize = 200;

/// The named parts of a key, in the making.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs(BTreeMap<String, String>);

impl Inputs {
    /// Adds one part. A name that is already there would make two different steps alike, so it is a bug.
    pub fn add(&mut self, name: impl Into<String>, value: impl AsRef<str>) {
        let value = value.as_ref();
        let kept = if value.len() > LONGEST_VALUE || value.contains('\n') {
            Digest::of(value.as_bytes()).to_string()
        } else {
            value.to_owned()
        };
        let name = name.into();
        let before = self.0.insert(name.clone(), kept);
        debug_assert!(before.is_none(), "key part `{name}` was given twice");
    }

    /// The key of a step whose stage has these keys already. An instruction that stands there twice over the same files
    /// is meant twice: the second one is not the first one's result.
    pub fn key_after(&mut self, earlier: &[Key]) -> Key {
        let mut key = self.key();
        for times in 2.. {
            if !earlier.contains(&key) {
                break;
            }
            self.0.insert("again".to_owned(), times.to_string());
            key = self.key();
        }
        key
    }

    /// The key over all parts. Lengths stand before names and values, so no two different sets of parts read alike.
    pub fn key(&self) -> Key {
        let mut state = Sha256::new();
        let mut put = |text: &str| {
            state.update((text.len() as u64).to_le_bytes());
            state.update(text.as_bytes());
        };
        put(GENERATION);
        for (name, value) in &self.0 {
            put(name);
            put(value);
        }
        Key(Digest::Sha256(state.finalize().into()))
    }

    /// The parts, for the record.
    pub fn into_parts(self) -> BTreeMap<String, String> {
        self.0
    }
}

/// A list as one value: JSON, in which no two lists read alike and people read all of them.
pub fn list<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> =
        words.iter().map(|word| serde_json::Value::from(word.as_ref()).to_string()).collect();
    format!("[{}]", quoted.join(", "))
}

/// Which rules of the declared list apply, in words; a list of another version is another value.
pub fn rules(rules: Rules) -> String {
    if rules.none {
        return "none".to_owned();
    }
    let line = |rule: &Rule| {
        let action = match rule.action {
            Action::Remove => "remove",
            Action::Empty => "empty",
        };
        format!("{action} {} {}\n", rule.glob, rule.log)
    };
    let digest = Digest::of(RULES.iter().map(line).collect::<String>().as_bytes());
    format!("{} {digest}", if rules.keep_logs { "all but logs" } else { "all" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(parts: &[(&str, &str)]) -> Inputs {
        let mut inputs = Inputs::default();
        for (name, value) in parts {
            inputs.add(*name, value);
        }
        inputs
    }

    #[test]
    fn order_of_adding_does_not_matter() {
        assert_eq!(inputs(&[("a", "1"), ("b", "2")]).key(), inputs(&[("b", "2"), ("a", "1")]).key());
    }

    #[test]
    fn borders_between_name_and_value_matter() {
        assert_ne!(inputs(&[("ab", "c")]).key(), inputs(&[("a", "bc")]).key());
        assert_ne!(inputs(&[("a", "1"), ("b", "2")]).key(), inputs(&[("a", "1b2")]).key());
    }

    #[test]
    fn the_same_instruction_again_is_another_step() {
        let mut earlier = Vec::new();
        for _ in 0..3 {
            let key = inputs(&[("args", "true")]).key_after(&earlier);
            assert!(!earlier.contains(&key));
            earlier.push(key);
        }
        assert_eq!(earlier[0], inputs(&[("args", "true")]).key());
        assert_eq!(inputs(&[("args", "false")]).key_after(&earlier), inputs(&[("args", "false")]).key());
    }

    #[test]
    fn values_are_words() {
        assert_eq!(list(&["sh", "-c", "echo \"a\", b\nc"]), r#"["sh", "-c", "echo \"a\", b\nc"]"#);
        assert_ne!(list(&["a, b"]), list(&["a", "b"]));
        assert!(rules(Rules::default()).starts_with("all sha256:"));
        assert!(rules(Rules { keep_logs: true, none: false }).starts_with("all but logs sha256:"));
    }

    #[test]
    fn long_and_many_line_values_are_kept_as_digests() {
        let long = "x".repeat(LONGEST_VALUE + 1);
        let parts = inputs(&[("long", &long), ("lines", "a\nb"), ("short", "a b")]).into_parts();
        assert!(parts["long"].starts_with("sha256:"));
        assert!(parts["lines"].starts_with("sha256:"));
        assert_eq!(parts["short"], "a b");
    }
}
