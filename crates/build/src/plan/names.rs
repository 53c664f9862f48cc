//! The stages of a file by name.

use std::collections::HashMap;

use dockerfile::Dockerfile;

/// The numbers of the stages that have a name, by that name in small letters.
#[derive(Debug, Default)]
pub struct StageNames(HashMap<String, Vec<usize>>);

impl StageNames {
    /// The names in a file.
    pub fn of(dockerfile: &Dockerfile) -> StageNames {
        let mut names: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, stage) in dockerfile.stages.iter().enumerate() {
            if let Some(name) = &stage.from.name {
                names.entry(name.value.to_ascii_lowercase()).or_default().push(number);
            }
        }
        StageNames(names)
    }

    /// The last stage before number `index` that has this name, in whatever case.
    pub fn before(&self, index: usize, name: &str) -> Option<usize> {
        let numbers = self.0.get(&name.to_ascii_lowercase())?;
        let earlier = numbers.partition_point(|number| *number < index);
        numbers[..earlier].last().copied()
    }

    /// The last stage that has this name.
    pub fn last(&self, name: &str) -> Option<usize> {
        self.before(usize::MAX, name)
    }
}
