//! `kapok.yaml`'s keys about the project: `images`, `bases`, `ca`, `include`.

mod bases;
mod form;
mod images;
mod load;
#[cfg(test)]
mod tests;
mod tests_key;

use dockerfile::Diagnostic;

use crate::model::{Base, Image, Located};
use crate::place::Text;
use crate::yaml::Node;

use form::Form;
pub use load::load;

/// The keys that belong to the project, sorted.
pub const KEYS: [&str; 4] = ["bases", "ca", "images", "include"];

/// What one file declares.
#[derive(Clone, Debug, Default)]
pub struct Declaration {
    /// Its images.
    pub images: Vec<Image>,
    /// Its bases.
    pub bases: Vec<Base>,
    /// Its certificate authorities, from the root.
    pub ca: Option<Located>,
    /// The files that it takes in: paths and patterns, as written.
    pub include: Vec<Located>,
}

/// Reads the project's keys of a file in `directory` (from the root). Everything that is wrong comes back at once; keys that
/// are none of the project's are left to whoever knows them.
pub fn read(text: &Text, root: &Node, directory: &str) -> (Declaration, Vec<Diagnostic>) {
    let mut declaration = Declaration::default();
    let mut form = Form::new(text, directory);
    for pair in root.pairs() {
        match pair.key.as_str() {
            "images" => declaration.images = images::images(&mut form, &pair.value),
            "bases" => declaration.bases = bases::bases(&mut form, &pair.value),
            "ca" => declaration.ca = form.path(&pair.value, "ca"),
            "include" => declaration.include = form.located(&pair.value, "include"),
            _ => {}
        }
    }
    (declaration, form.diagnostics)
}

/// What is wrong with the value of one of [`KEYS`], for whoever reads all keys of the file.
pub fn check(key: &str, value: &Node) -> Vec<Diagnostic> {
    let text = Text::new("kapok.yaml", "");
    let mut form = Form::new(&text, "");
    match key {
        "images" => drop(images::images(&mut form, value)),
        "bases" => drop(bases::bases(&mut form, value)),
        "ca" => drop(form.path(value, "ca")),
        "include" => drop(form.located(value, "include")),
        _ => {}
    }
    form.diagnostics
}
