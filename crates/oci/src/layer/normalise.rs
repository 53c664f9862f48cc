//! Normalising: after it, a step's upper says what its layer's tar will say, and nothing of the time or place of the build.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::layer::{Action, OverlayForm, Rules, TreeError};

/// One application of a [rule](crate::layer::Rule) to a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Normalised {
    /// The file, as text; bytes that are none are replaced.
    pub path: String,
    /// What was done.
    pub action: Action,
    /// Why.
    pub reason: String,
}

/// Treats an overlay upper in place. `below` says whether the layers under it show something at a path.
pub fn normalise(
    _directory: &Path,
    _rules: &Rules,
    _epoch: i64,
    _form: OverlayForm,
    _below: &dyn Fn(&[u8]) -> bool,
) -> Result<Vec<Normalised>, TreeError> {
    todo!()
}
